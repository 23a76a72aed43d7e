import { AgentError } from '../../src/errors.ts';
import { isGuestName, quote } from '../../src/model/guest-path.ts';
import { mostVcpus } from '../../src/model/guest-values.ts';
import { parseFlag } from '../../src/vmcfg/flags.ts';

/**
 * The questions, word for word those of python-virtinst before its release 0.400: `kind`, `disk`, `diskOfSize`, `diskSize`, `overwrite`,
 * `location` and `cdrom` of its virt-install, the others of its cli.py. `disk` is in the older of its two forms, which guides of the
 * time show; the later one says "(file path)". An empty answer to it, which virtinst did not take, stands for an image in the guest's
 * own directory.
 */
export const questions = {
  kind: 'Would you like a fully virtualized guest (yes or no)?  This will allow you to run unmodified operating systems.',
  name: 'What is the name of your virtual machine?',
  memory: 'How much RAM should be allocated (in megabytes)?',
  disk: 'What would you like to use as the disk (path)?',
  diskOfSize: (gigabytes: number): string =>
    `Please enter the path to the file you would like to use for storage. It will have size ${gigabytes}GB.`,
  diskSize: (path: string): string => `How large would you like the disk (${path}) to be (in gigabytes)?`,
  overwrite: (path: string): string =>
    `You are going to overwrite file '${path}'!\nDo you really want to use the file (yes or no)?`,
  graphics: 'Would you like to enable graphics support? (yes or no)',
  location: 'What is the install location?',
  cdrom: 'What is the virtual CD image, CD device or install location?',
  manyVcpus: (wanted: number, there: number): string =>
    `You have asked for more virtual CPUs (${wanted}) than there are physical CPUs (${there}) on the host. This will work, but ` +
    'performance will be poor. Are you sure? (yes or no)',
  vcpus: 'How many VCPUs should be attached?',
} as const;

/** Least memory for an installation, that of virtinst's later releases; earlier ones wanted 256, which many systems do not need. */
const LEAST_MEMORY_MIB = 64;

/** Longest name that virtinst takes. */
const LONGEST_NAME = 50;

const MIB_OF_GIGABYTE = 1024;

/*
 * How answers are read. Each throws AgentError BAD_VALUE with what virtinst says, where it says something.
 */

export function readYesOrNo(text: string): boolean {
  return (text === '' ? undefined : parseFlag(text)) ?? refuse('A yes or no response is required');
}

export function readName(text: string): string {
  if (text.length === 0 || text.length > LONGEST_NAME)
    refuse(`System name must be greater than 0 and no more than ${LONGEST_NAME} characters`);
  if (/^\d+$/.test(text)) refuse('System name must not be only numeric characters');
  return isGuestName(text) ? text : refuse("System name can only contain alphanumeric, '_', '.', or '-' characters");
}

/** @returns MiB */
export function readMemory(text: string): number {
  const memory = wholeNumber(text) ?? refuse('Memory value must be an integer greater than 0');
  return memory >= LEAST_MEMORY_MIB ? memory : refuse(`Installs currently require ${LEAST_MEMORY_MIB} megs of RAM.`);
}

export function readVcpus(text: string): number {
  const count = wholeNumber(text) ?? 0;
  return count >= 1 && count <= mostVcpus ? count : refuse(`Number of vcpus must be in the range of 1-${mostVcpus}`);
}

/** @returns gigabytes, each of 1024 MiB; undefined for what is no number of them */
export function gigabytesFrom(text: string): number | undefined {
  const gigabytes = /^\d{1,6}(?:\.\d{1,6})?$/.test(text) ? Number(text) : 0;
  return gigabytes > 0 ? gigabytes : undefined;
}

/** @returns MiB, rounded up */
export function readDiskSize(text: string): number {
  return Math.ceil(
    (gigabytesFrom(text) ?? refuse(`${quote(text)} is no number of gigabytes such as 4 or 0.5`)) * MIB_OF_GIGABYTE,
  );
}

export function readLocation(text: string): string {
  if (/^(?:(?:https?|ftp|nfs|file):\/\/[^/\s]|nfs:[^/\s]+:\/|\/|file:\/\/\/)/.test(text)) return text;
  return refuse(
    'Invalid install location: one of http://host/path, ftp://host/path, nfs:host:/path or a directory is needed',
  );
}

function wholeNumber(text: string): number | undefined {
  return /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}

function refuse(why: string): never {
  throw new AgentError('BAD_VALUE', why);
}
