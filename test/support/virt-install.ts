import type { InstallOptions } from '../../utils/virt-install/options.ts';
import { type Answers, completeAnswers, type ServerView } from '../../utils/virt-install/answers.ts';
import { refuseContradictions } from '../../utils/virt-install/contradictions.ts';
import { Interview } from '../../utils/virt-install/interview.ts';
import { withInstallOptions } from '../../utils/virt-install/options.ts';
import { newProgram } from '../../utils/program.ts';

/** What virt-install reads from its command line. */
export function optionsOf(args: readonly string[]): InstallOptions {
  const program = withInstallOptions(newProgram('virt-install', 'as the program')).configureOutput({
    writeErr: () => undefined,
  });
  return program.parse([...args], { from: 'user' }).opts<InstallOptions>();
}

/** A server on which these lie: a path that ends in `/` is a directory, one below /dev a block device. */
export function serverWith(...paths: readonly string[]): ServerView {
  return {
    processors: 4,
    kindOf(path) {
      if (paths.includes(path)) return path.startsWith('/dev/') ? 'device' : 'file';
      return paths.includes(`${path}/`) ? 'directory' : 'nothing';
    },
    resolve: text => (text.startsWith('/') ? text : `/root/${text}`),
  };
}

export interface Dialogue {
  readonly answers: Answers;
  /** Questions and what was said between them, in order. */
  readonly shown: readonly string[];
}

/** The dialogue of those options with somebody who gives these answers and no more. */
export async function dialogueOf(
  args: readonly string[],
  given: readonly string[],
  server: ServerView,
  shown: string[] = [],
): Promise<Dialogue> {
  const options = optionsOf(args);
  refuseContradictions(options);
  const left = [...given];
  const interview = new Interview({
    ask(prompt) {
      shown.push(prompt);
      return Promise.resolve(left.shift());
    },
    say: line => void shown.push(line),
    isForced: options.force === true,
  });
  return { answers: await completeAnswers(options, interview, server), shown };
}
