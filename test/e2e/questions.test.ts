import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { peerProbe } from '../../src/peers/peer-probe.ts';
import { Daemon } from '../support/daemon.ts';

describe('questions to an agent', () => {
  let daemon: Daemon;

  beforeAll(async () => {
    daemon = await new Daemon().start();
  });

  afterAll(() => daemon.dispose());

  /** The pairs of a reply, as old clients read them. */
  async function pairsOf(method: string): Promise<Record<string, string>> {
    const reply = String(await daemon.call(method));
    expect(reply).toMatch(/^success:/);
    return Object.fromEntries(
      reply
        .slice(8)
        .split(';')
        .map(pair => pair.split(/=(.*)/s).slice(0, 2) as [string, string]),
    );
  }

  it('about its server are answered under the keys of xm info', async () => {
    const info = await pairsOf('xen_get_xm_info');
    expect(Number(info['nr_cpus'])).toBeGreaterThan(0);
    expect(Number(info['total_memory'])).toBeGreaterThan(Number(info['free_memory']));
    expect(info).toMatchObject({
      hypervisor: 'qemu',
      machine: process.arch === 'x64' ? 'x86_64' : (expect.any(String) as string),
    });
    expect(`${info['xen_major']}.${info['xen_minor']}${info['xen_extra']}`).toMatch(/^\d+\.\d+/);
  });

  it('about how busy it is are answered with figures of now', async () => {
    const { cpu_idle, mem_free } = await pairsOf('sys_perf_info');
    expect(Number(cpu_idle)).toBeGreaterThanOrEqual(0);
    expect(Number(cpu_idle)).toBeLessThanOrEqual(1);
    expect(Number(mem_free)).toBeGreaterThan(0);
  });

  it('about its version name the release whose interface it has', async () => {
    expect(await daemon.call('get_agent_version')).toMatch(/^success:agent_version=2\.2-\d+\.\d+\.\d+$/);
  });

  it('about its logs are answered with their last lines, and of no other file', async () => {
    const path = daemon.makeGuest('logged');
    await daemon.call('register_vm', path);
    const lines = (await daemon.call('get_log', 'ovs_trace', 2)) as string[];
    expect(lines).toHaveLength(2);
    expect(lines.join('\n')).toContain('"msg":"guest registered"');
    expect(await daemon.call('get_log', 'audit')).toContainEqual(expect.stringContaining('"method":"register_vm"'));
    expect(await daemon.call('get_log', '../../../etc/passwd')).toMatch(
      /^failed:BAD_VALUE: .* is not one of ovs_trace, audit/,
    );
  });

  it('about itself and about a server where nobody answers', async () => {
    expect(await daemon.call('get_srv_agent_status', '127.0.0.1')).toBe('success');
    expect(await daemon.call('get_srv_agent_status', 'localhost;id')).toMatch(/^failed:BAD_VALUE: /);
    expect(await daemon.call('get_srv_agent_status', '127.0.0.9')).toMatch(
      /^failed:PEER_DOWN: agent at 127\.0\.0\.9: it does not answer/,
    );
  });
});

describe('another agent', () => {
  it('is found over TLS and, as those of 2.3, without', async () => {
    const secure = await new Daemon().start();
    onTestFinished(() => secure.dispose());
    expect(await peerProbe(secure.port)('127.0.0.1')).toBeUndefined();
    const plain = createServer((_request, response) => response.writeHead(401).end()).listen(0, '127.0.0.1');
    onTestFinished(() => void plain.close());
    await new Promise(resolve => plain.once('listening', resolve));
    const { port } = plain.address() as AddressInfo;
    expect(await peerProbe(port)('127.0.0.1')).toBeUndefined();
    expect(await peerProbe(port)('127.0.0.2')).toMatch(/ECONNREFUSED/);
  });
});
