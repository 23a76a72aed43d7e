import { spawnSync } from 'node:child_process';

export interface LabAddress {
  /** Of the agent in dom0, with its user. */
  readonly url: string;
  readonly password: string;
  /** Program and first arguments that run what follows them in dom0, as one command line of its shell. */
  readonly inDom0: readonly string[];
}

/**
 * Where the lab is that `npm run lab:xen` has started.
 * @throws Error when nobody has said it
 */
export function labAddress(environment: NodeJS.ProcessEnv = process.env): LabAddress {
  const [url, password, command] = ['OVS_LAB_URL', 'OVS_LAB_PASSWORD', 'OVS_LAB_SSH'].map(name => {
    const value = environment[name];
    if (!value) throw new Error(`${name} is not set; run these tests by: npm run lab:xen`);
    return value;
  });
  return { url: url!, password: password!, inDom0: command!.split(' ') };
}

/** Runs a command line in dom0 to its end. */
export function runInDom0(
  { inDom0: [program, ...first] }: LabAddress,
  commandLine: string,
  timeoutMs = 120_000,
): { readonly exitCode: number | null; readonly stdout: string; readonly stderr: string } {
  const { error, status, stdout, stderr } = spawnSync(program!, [...first, commandLine], {
    encoding: 'utf8',
    timeout: timeoutMs,
  });
  if (error) throw error;
  return { exitCode: status, stdout, stderr };
}
