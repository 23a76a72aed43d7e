import { AgentError } from '../../src/errors.ts';
import { readYesOrNo } from './questions.ts';

export interface InterviewParts {
  /** Puts a question; undefined when there are no more answers. */
  readonly ask: (prompt: string) => Promise<string | undefined>;
  readonly say: (line: string) => void;
  /** Whether nothing is asked: yes to what is yes or no, and a failure for everything else. */
  readonly isForced: boolean;
}

/** Asks until the answer can be used. */
export class Interview {
  readonly #parts: InterviewParts;

  constructor(parts: InterviewParts) {
    this.#parts = parts;
  }

  get isForced(): boolean {
    return this.#parts.isForced;
  }

  /**
   * @param given what the command line says; it is not asked for again when it cannot be used
   * @param option by which the answer can be given
   * @param read throws an AgentError for an answer that cannot be used
   * @throws AgentError BAD_VALUE for what was given, and when no answer comes
   */
  async answer<T>(
    question: string,
    option: string,
    given: string | undefined,
    read: (text: string) => T | Promise<T>,
  ): Promise<T> {
    if (given !== undefined) return read(given);
    if (this.isForced) throw new AgentError('BAD_VALUE', `"${question}" is not asked with --force; give ${option}`);
    for (;;) {
      const answer = await this.#parts.ask(`${question} `);
      if (answer === undefined)
        throw new AgentError(
          'BAD_VALUE',
          `"${question}" was not answered, and nothing was made; answer it or give ${option}`,
        );
      try {
        return await read(answer.trim());
      } catch (error) {
        if (!(error instanceof AgentError)) throw error;
        this.#parts.say(`ERROR: ${error.message}`);
      }
    }
  }

  yesOrNo(question: string, option: string): Promise<boolean> {
    return this.answer(question, option, this.isForced ? 'yes' : undefined, readYesOrNo);
  }
}
