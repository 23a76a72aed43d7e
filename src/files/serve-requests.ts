import { asFileProblem } from './file-problem.ts';
import { doFileWork } from './file-work.ts';
import type { HelperAnswer, HelperRequest } from './helper-protocol.ts';

/** Does one piece of work for another process. */
export function answerRequest({ args, id, verb }: HelperRequest): HelperAnswer {
  try {
    return { id, value: doFileWork(verb, args as never) };
  } catch (error) {
    const { detail, kind, leadsTo, place } = asFileProblem(error, '');
    return { id, problem: { kind, place, detail, leadsTo } };
  }
}
