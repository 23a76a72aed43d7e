import { describe, expect, it } from 'vitest';
import { allMethods } from '../../src/methods/all.ts';
import { Registry } from '../../src/rpc/registry.ts';
import { referenceMarkdown } from '../../src/rpc/reference.ts';
import { methodPage } from '../../src/wire/method-page.ts';
import { expectGolden } from '../support/golden.ts';

const { methods } = new Registry(allMethods);

describe('the API reference', () => {
  it('in docs/api.md is that of the declarations', () => {
    expectGolden('docs/api.md', referenceMarkdown(methods));
  });
});

describe('the page of methods', () => {
  const page = methodPage(methods, '0.0.0');

  it('has the title by which release 2.2 is known', () => {
    expect(page).toContain('<title>Python: OVSAgentServer Document</title>');
  });

  it('names every method, each of its arguments, its host form and its failures', () => {
    for (const method of methods) {
      const section = page.slice(page.indexOf(`<section id="${method.name}"`)).split('</section>')[0]!;
      for (const word of [...method.parameterNames, ...method.errors, method.onHost ?? ''])
        expect(section).toContain(word);
    }
  });

  it('escapes what the declarations say', () => {
    const hostile = methodPage([{ ...methods[0]!, summary: '<script>alert("x")</script>' }], '"><script>');
    expect(hostile).not.toContain('<script>alert');
    expect(hostile).not.toContain('"><script>');
  });
});
