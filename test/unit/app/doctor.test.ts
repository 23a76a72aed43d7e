import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Diagnosis, examine } from '../../../src/app/doctor.ts';
import { AgentPaths } from '../../../src/config/paths.ts';
import { readAvailableMemoryMib } from '../../../src/host/inventory.ts';
import { ensureCertificate } from '../../../src/wire/certificate.ts';
import { setPassword } from '../../../src/wire/credential-file.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

const DAY_MS = 86_400_000;

interface Server {
  readonly paths: AgentPaths;
  readonly clock: ManualClock;
  readonly settings: (...lines: string[]) => void;
  readonly xend: (...lines: string[]) => void;
  readonly certificate: () => Promise<void>;
  readonly find: (code: string, isRunning?: () => Promise<boolean>) => Promise<readonly Diagnosis[]>;
}

function saying(pattern: RegExp): string {
  return expect.stringMatching(pattern) as string;
}

async function server(): Promise<Server> {
  const paths = new AgentPaths(temporaryDirectory());
  const clock = new ManualClock();
  const write = (file: string, lines: readonly string[]): void => {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, `${lines.join('\n')}\n`);
  };
  const settings = (...lines: string[]): void => write(paths.settingsFile, lines);
  settings('hypervisor=simulated');
  await setPassword(paths.passwordFile, 'admin', 'secret');
  return {
    paths,
    clock,
    settings,
    xend: (...lines) => write(paths.xendConfigFile, lines),
    certificate: async () => {
      const { certificateDirectory: directory } = paths;
      const sizes = { keyBits: 2048, validDays: 100, renewDays: 30 };
      await ensureCertificate({ directory, names: ['localhost'], addresses: [], ...sizes, clock });
    },
    async find(code, isRunning = () => Promise.resolve(false)) {
      const { settingsFile } = paths;
      const findings = await examine({ paths, settingsFile, searchPath: '/none', clock, isRunning });
      return findings.filter(finding => finding.code === code);
    },
  };
}

describe('the examination of a server', () => {
  it('tells whether an agent runs, and when it does not answer', async () => {
    const { find } = await server();
    expect(await find('AGENT')).toMatchObject([{ severity: 'note', message: 'no agent runs' }]);
    expect(await find('AGENT', () => Promise.resolve(true))).toMatchObject([{ severity: 'ok' }]);
    expect(await find('AGENT', () => Promise.reject(new Error('no answer within 10 s')))).toMatchObject([
      { severity: 'error', message: 'an agent is there and does not answer: no answer within 10 s' },
    ]);
  });

  it('finds settings that cannot be used', async () => {
    const { find, settings, xend } = await server();
    settings('hypervisor=simulated', 'prot=1');
    xend('(loglevel LOUD)');
    expect(await find('SETTINGS')).toMatchObject([
      { severity: 'error', message: saying(/line 2: there is no key prot/) },
    ]);
    expect(await find('XEND_CONFIG')).toMatchObject([
      { severity: 'error', message: saying(/line 1: loglevel "LOUD"/) },
    ]);
  });

  it('finds options of xend that are unknown, stand twice, or have no effect', async () => {
    const { find, xend } = await server();
    expect(await find('XEND_CONFIG')).toMatchObject([{ severity: 'ok' }]);
    xend(
      '(xend-port 8000)',
      '(vnc-listen 127.0.0.1)',
      '(vnc-listen 127.0.0.2)',
      '(vif-script my-script)',
      "(network-script 'network-bridge bridge=xenbr0')",
      "('odd name' 1)",
      '(xend-relocation-port many)',
    );
    expect(await find('XEND_UNUSABLE')).toMatchObject([
      { severity: 'warning', message: saying(/line 7: xend-relocation-port "many" cannot be used/) },
    ]);
    expect(await find('XEND_REPEATED')).toMatchObject([
      { severity: 'warning', message: saying(/line 3: vnc-listen stands in line 2 too; the last one holds/) },
    ]);
    expect((await find('XEND_WITHOUT_EFFECT')).map(({ message }) => message.split(' has no')[0])).toEqual([
      expect.stringMatching(/line 4: vif-script$/),
      expect.stringMatching(/line 1: xend-port$/),
    ]);
    expect(await find('XEND_UNKNOWN')).toMatchObject([
      { severity: 'warning', message: saying(/line 6: "odd name" is no/) },
    ]);
  });

  it('finds users that cannot log in', async () => {
    const { find, paths } = await server();
    expect(await find('PASSWORD')).toMatchObject([{ severity: 'ok' }]);
    chmodSync(paths.passwordFile, 0o640);
    expect(await find('PASSWORD')).toMatchObject([{ severity: 'error', message: saying(/run "chmod 600/) }]);
    writeFileSync(paths.passwordFile, 'admin:admin:clear\n');
    chmodSync(paths.passwordFile, 0o600);
    expect(await find('PASSWORD')).toMatchObject([
      { severity: 'error', message: saying(/passwd: line 1: it must have/) },
    ]);
    writeFileSync(paths.passwordFile, '# nobody\n');
    expect(await find('PASSWORD')).toMatchObject([{ severity: 'warning', message: saying(/names no user/) }]);
    rmSync(paths.passwordFile);
    expect(await find('PASSWORD')).toMatchObject([{ severity: 'error', message: saying(/nobody could log in/) }]);
  });

  it('finds a certificate that nears its end, has lost its key, or is not used', async () => {
    const { certificate, clock, find, paths, settings } = await server();
    expect(await find('CERTIFICATE')).toMatchObject([{ severity: 'note' }]);
    await certificate();
    expect(await find('CERTIFICATE')).toMatchObject([{ severity: 'ok', message: saying(/valid for (?:99|100) days/) }]);
    await clock.advance(90 * DAY_MS);
    expect(await find('CERTIFICATE')).toMatchObject([
      { severity: 'warning', message: saying(/expires in (?:9|10) days/) },
    ]);
    await clock.advance(20 * DAY_MS);
    expect(await find('CERTIFICATE')).toMatchObject([{ severity: 'error', message: saying(/has expired/) }]);
    const key = join(paths.certificateDirectory, 'key.pem');
    chmodSync(key, 0o644);
    expect(await find('CERTIFICATE')).toMatchObject([
      { severity: 'error', message: saying(/key\.pem: others can read/) },
    ]);
    rmSync(key);
    expect(await find('CERTIFICATE')).toMatchObject([{ severity: 'error', message: saying(/key\.pem is missing/) }]);
    settings('hypervisor=simulated', 'ssl=disable');
    expect(await find('CERTIFICATE')).toMatchObject([{ severity: 'warning', message: saying(/^ssl=disable/) }]);
  });

  it('finds a hypervisor that the agent could not use', async () => {
    const { find, settings } = await server();
    expect(await find('HYPERVISOR')).toMatchObject([
      { severity: 'warning', message: saying(/simulated runs nothing/) },
    ]);
    settings('hypervisor=xen');
    expect(await find('HYPERVISOR')).toMatchObject([
      { severity: 'error', message: saying(/xen: this server did not boot as the privileged domain/) },
    ]);
    settings('hypervisor=auto', '[guests]', 'qemu_binary=qemu-system-none');
    expect(await find('HYPERVISOR')).toMatchObject([
      { severity: 'error', message: saying(/qemu-system-none is not installed; install it/) },
    ]);
  });

  it('counts the memory that dom0-min-mem keeps', async () => {
    const { find, xend } = await server();
    expect(await find('MEMORY')).toMatchObject([{ severity: 'ok' }]);
    const all = readAvailableMemoryMib() * 2;
    xend(`(dom0-min-mem ${all})`);
    expect(await find('MEMORY')).toMatchObject([
      { severity: 'warning', message: saying(new RegExp(`and ${all} stay`)) },
    ]);
  });

  it('finds a repository that is missing', async () => {
    const { find, paths } = await server();
    expect(await find('REPOSITORY')).toMatchObject([{ severity: 'warning', message: '/OVS is not there' }]);
    mkdirSync(paths.onDisk('/OVS'));
    expect(await find('REPOSITORY')).toMatchObject([{ message: saying(/^\/OVS has \d+ MiB left$/) }]);
  });
});
