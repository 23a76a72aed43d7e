import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDirectory } from './temporary.ts';
import { listTitle, printedRow } from './xl-recordings.ts';

/** Six letters, as `xl list` has them. */
export type Letters = '-b----' | '--p---' | '---s--' | '---sr-' | '---ss-' | '---sc-';

const REASONS: Readonly<Record<string, number>> = { '---s--': 0, '---sr-': 1, '---ss-': 2, '---sc-': 3 };

/**
 * A program in the place of xl that keeps domains as files: enough to see what is made of a guest's domain, whatever fails and
 * whoever is killed, on a server without Xen. What Xen really does is tried in the lab.
 */
export class FakeXl {
  readonly directory = temporaryDirectory();
  readonly program = join(this.directory, 'xl');
  readonly #calls = join(this.directory, 'calls');
  readonly #domains = join(this.directory, 'domains');
  readonly #failing = join(this.directory, 'failing');

  constructor() {
    mkdirSync(this.#domains);
    mkdirSync(this.#failing);
    writeFileSync(join(this.directory, 'title'), `${listTitle}\n`);
    writeFileSync(join(this.directory, 'next'), '10');
    writeFileSync(this.#calls, '');
    writeFileSync(this.program, SCRIPT.replace('DIRECTORY', this.directory), { mode: 0o755 });
  }

  /** The calls so far but those for the list. */
  get calls(): readonly string[] {
    return readFileSync(this.#calls, 'utf8')
      .split('\n')
      .filter(line => line !== '' && !line.startsWith('list'));
  }

  get ids(): readonly number[] {
    return readdirSync(this.#domains).map(Number);
  }

  /** Lets a command fail from now on: after it has done its work, as one of xl may, or instead. */
  fail(command: string, when: 'after' | 'instead' = 'after'): void {
    writeFileSync(join(this.#failing, command), when);
  }

  succeed(command: string): void {
    rmSync(join(this.#failing, command));
  }

  /** A domain there is from now on, or is changed. */
  set(id: number, uuid: string, state: Letters, name = 'a'): void {
    const row = printedRow({ id, name, uuid, state, reason: REASONS[state] });
    writeFileSync(join(this.#domains, String(id)), `${row}\n`);
  }

  lose(id: number): void {
    rmSync(join(this.#domains, String(id)));
  }
}

const SCRIPT = `#!/bin/bash
cd 'DIRECTORY'
echo "$*" >>calls
command=$1
shift
set_state() { sed -i -E "s/ [r-][b-][p-][s-][a-zS?-][d-]  / $2  /" "domains/$1"; }
fail() {
  echo "libxl: error: libxl_fake.c:1:fake: Domain 1:$command was to fail" >&2
  exit 1
}
if [[ $(cat "failing/$command" 2>/dev/null) == instead ]]; then fail; fi
case $command in
  list) cat title; cat domains/* 2>/dev/null || true ;;
  create)
    state=-b----
    for word; do [[ $word == -p ]] && state=--p---; done
    file=\${!#}
    value() { sed -n "s/^$1 = \\"\\(.*\\)\\"$/\\1/p" "$file"; }
    id=$(<next)
    echo $((id + 1)) >next
    printf '%-40s %5d %5d %5d     %s  %8s %s %8s %16s\\n' "$(value name)" $id 96 1 "$state" 1.0 "$(value uuid)" - - >"domains/$id"
    ;;
  destroy) rm "domains/$1" || exit 1 ;;
  pause) set_state "$1" --p--- ;;
  unpause) set_state "$1" -b---- ;;
  cd-eject) ;;
  save)
    sleep 0.3
    head -c 3000000 /dev/zero >"$3" || exit 1
    ;;
  *) echo "there is no $command" >&2; exit 2 ;;
esac
if [[ -e failing/$command ]]; then fail; fi
`;
