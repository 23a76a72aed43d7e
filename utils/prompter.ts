import { createInterface, type Interface } from 'node:readline';

/**
 * Asks a person at a terminal, or takes the lines of a pipe one by one: with a pipe, prompt libraries lose the lines
 * that come before they are asked for.
 */
export class Prompter {
  readonly #reader: Interface;
  readonly #lines: string[] = [];
  readonly #waiting: ((line: string | undefined) => void)[] = [];
  #isOver = false;

  constructor() {
    this.#reader = createInterface({ input: process.stdin, terminal: false });
    this.#reader.on('line', line => {
      const next = this.#waiting.shift();
      if (next) next(line);
      else this.#lines.push(line);
    });
    this.#reader.on('close', () => {
      this.#isOver = true;
      for (const next of this.#waiting.splice(0)) next(undefined);
    });
  }

  /** @returns undefined at the end of input */
  ask(prompt: string): Promise<string | undefined> {
    process.stdout.write(prompt);
    const answer = this.#next();
    if (process.stdin.isTTY) return answer;
    // A pipe echoes nothing: without this, what comes next would stand on the line of the question.
    return answer.then(line => {
      process.stdout.write(`${line ?? ''}\n`);
      return line;
    });
  }

  /** The same without showing what is typed. */
  async askHidden(prompt: string): Promise<string | undefined> {
    process.stdout.write(prompt);
    if (!process.stdin.isTTY) {
      const line = await this.#next();
      process.stdout.write('\n');
      return line;
    }
    return this.#typedInTheDark();
  }

  close(): void {
    this.#reader.close();
  }

  #next(): Promise<string | undefined> {
    const line = this.#lines.shift();
    if (line !== undefined || this.#isOver) return Promise.resolve(line);
    return new Promise(resolve => this.#waiting.push(resolve));
  }

  #typedInTheDark(): Promise<string | undefined> {
    const { stdin } = process;
    this.#reader.pause();
    stdin.setRawMode(true);
    stdin.resume();
    return new Promise(resolve => {
      let typed = '';
      const finish = (result: string | undefined): void => {
        stdin.removeListener('data', onData);
        stdin.setRawMode(false);
        process.stdout.write('\n');
        this.#reader.resume();
        resolve(result);
      };
      const onData = (data: Buffer): void => {
        for (const character of data.toString()) {
          if (character === '\r' || character === '\n') {
            finish(typed);
            return;
          }
          if (character === '\u0003' || character === '\u0004') {
            finish(undefined);
            return;
          }
          typed = character === '\u007f' || character === '\b' ? typed.slice(0, -1) : typed + character;
        }
      };
      stdin.on('data', onData);
    });
  }
}

/** One question to the person at the terminal. */
export async function askOnce(prompt: string): Promise<string | undefined> {
  const prompter = new Prompter();
  try {
    return await prompter.ask(prompt);
  } finally {
    prompter.close();
  }
}
