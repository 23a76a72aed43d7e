import { execFileSync } from 'node:child_process';
import { onTestFinished } from 'vitest';

let made = 0;

/** A network namespace of one test, with bridges in it; removed when the test ends. */
export class NetworkNamespace {
  readonly name: string;

  constructor(...bridges: string[]) {
    made += 1;
    this.name = `oa-${process.pid}-${made}`;
    execFileSync('ip', ['netns', 'add', this.name]);
    onTestFinished(() => void execFileSync('ip', ['netns', 'del', this.name]));
    this.run('ip', 'link', 'set', 'lo', 'up');
    for (const bridge of bridges) {
      this.run('ip', 'link', 'add', bridge, 'type', 'bridge');
      this.run('ip', 'link', 'set', bridge, 'up');
    }
  }

  /** Runs a program in it. */
  run(...command: string[]): string {
    return execFileSync('ip', ['netns', 'exec', this.name, ...command]).toString();
  }

  /** The ports of a bridge, one line of ip(8) each. */
  portsOf(bridge: string): string[] {
    return this.run('ip', '-o', 'link', 'show', 'master', bridge).trim().split('\n').filter(Boolean);
  }

  /** Names of all interfaces. */
  interfaces(): string[] {
    return this.run('ip', '-o', 'link')
      .trim()
      .split('\n')
      .map(line => /^\d+: ([^:@]+)/.exec(line)?.[1] ?? '');
  }
}
