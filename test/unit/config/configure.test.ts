import { describe, expect, it } from 'vitest';
import { configureByDialogue, configureByFlags } from '../../../src/config/configure.ts';
import { IniDocument } from '../../../src/config/ini-document.ts';
import { AgentError } from '../../../src/errors.ts';

const file = ['# of our site', '[log]', 'level=warn'].join('\n');

const settings = 'ssl=disable\n; who may connect\nallow = *\ndeny=\n\n[log]\nlevel=warn\n';

/** A terminal: what is asked and what is typed stand on one line. */
async function converse(
  text: string,
  answers: readonly string[],
): Promise<{ readonly screen: readonly string[]; readonly text: string; readonly changePassword: boolean }> {
  const screen: string[] = [];
  const left = [...answers];
  const { document, changePassword } = await configureByDialogue(new IniDocument(text, 'agent.ini'), {
    print: line => screen.push(line),
    ask(prompt) {
      const answer = left.shift();
      screen.push(prompt + (answer ?? ''));
      return Promise.resolve(answer);
    },
  });
  expect(left).toEqual([]);
  return { screen, text: document.text, changePassword };
}

describe('the dialogue of configure', () => {
  it('is that of the guide, text for text', async () => {
    const { screen } = await converse(settings, ['', '*.example.com', '', '']);
    expect(screen).toEqual([
      ';ssl support --',
      ';enable ssl support in xmlrpc transport?(enable/disable)',
      'ssl=disable',
      'ssl',
      ';network access control by ip --',
      ';rules := if addr.match(allow) and not addr.match(deny):return True',
      ';pattern items delimited by comma and could be',
      ';10.1.1.1    #single ip',
      ';10.1.1.*     #range',
      ';10.1.1.1/24 #range',
      ';default to allow all, deny none',
      'allow=*',
      'allow=*.example.com',
      'now allow=*.example.com',
      'deny=',
      'deny=',
      'now deny=',
      'would you like to modify password to communicate with agent?[y/N]',
    ]);
  });

  it('changes what was answered and no other byte', async () => {
    const { text } = await converse(settings, ['enable', ' 10.1.1.1/24,*.example.com ', '10.1.1.7', 'n']);
    expect(text).toBe(
      'ssl=enable\n; who may connect\nallow = 10.1.1.1/24,*.example.com\ndeny=10.1.1.7\n\n[log]\nlevel=warn\n',
    );
  });

  it('keeps every setting at empty answers', async () => {
    const { changePassword, text } = await converse(settings, ['', '  ', '', '']);
    expect(text).toBe(settings);
    expect(changePassword).toBe(false);
  });

  it('shows what holds where the file says nothing, and adds what was answered in its place', async () => {
    const { screen, text } = await converse(file, ['disable', '', '10.1.1.7', '']);
    expect(screen).toContain('ssl=enable');
    expect(screen).toContain('now allow=*');
    expect(text).toBe('ssl=disable\ndeny=10.1.1.7\n# of our site\n[log]\nlevel=warn');
  });

  it('explains an answer that cannot be used and asks again', async () => {
    const { screen, text } = await converse(settings, ['yes', 'enable', '10.1.1.300', '*,', '10.1.1.*', '', '']);
    expect(screen.slice(3, 6)).toEqual(['sslyes', 'ssl=yes cannot be used; it must be enable or disable', 'sslenable']);
    expect(screen.filter(line => line.startsWith('allow='))).toEqual([
      'allow=*',
      'allow=10.1.1.300',
      'allow=*,',
      'allow=10.1.1.*',
    ]);
    expect(screen.filter(line => line.startsWith('address pattern '))).toEqual([
      expect.stringContaining('"10.1.1.300"'),
      expect.stringContaining('""'),
    ]);
    expect(text).toContain('ssl=enable\n');
    expect(text).toContain('allow = 10.1.1.*\n');
  });

  it.each([['10.1.1.1 ; us'], ['10.1.1.1 #single ip'], ['*\n[log]'], ['"*"']])(
    'does not take %j, which the file would read in another way',
    async answer => {
      expect((await converse(settings, ['', answer, '', '', ''])).text).toBe(settings);
    },
  );

  it('empties a list at the answer none', async () => {
    const { screen, text } = await converse('deny=10.1.1.7\n', ['', '', 'none', '']);
    expect(screen).toContain('now deny=none');
    expect(text).toBe('deny=none\n');
  });

  it.each([
    [[], settings],
    [['enable'], settings.replace('ssl=disable', 'ssl=enable')],
    [['enable', '10.1.1'], settings.replace('ssl=disable', 'ssl=enable')],
    [['', '10.1.1.1'], settings.replace('allow = *', 'allow = 10.1.1.1')],
  ])('keeps what is left as it is when the input ends after %j', async (answers, expected) => {
    const { changePassword, text } = await converse(settings, answers);
    expect(text).toBe(expected);
    expect(changePassword).toBe(false);
  });

  it.each([
    ['y', true],
    ['Y', true],
    [' yes ', true],
    ['', false],
    ['n', false],
    ['yellow', false],
  ])('takes %j to the question about the password for %s', async (answer, expected) => {
    expect((await converse(settings, ['', '', '', answer])).changePassword).toBe(expected);
  });
});

describe('configure by flags', () => {
  const document = new IniDocument(settings, 'agent.ini');

  it('sets all that are given and no other byte', () => {
    expect(configureByFlags(document, { ssl: 'enable', deny: '10.1.1.7' }).text).toBe(
      settings.replace('ssl=disable', 'ssl=enable').replace('deny=', 'deny=10.1.1.7'),
    );
  });

  it('empties a list, which the dialogue would keep', () => {
    expect(configureByFlags(new IniDocument('deny=10.1.1.7\n', 'agent.ini'), { deny: '' }).text).toBe('deny=\n');
  });

  it('changes nothing when one of them cannot be used', () => {
    expect(() => configureByFlags(document, { ssl: 'enable', allow: '10.1.1.1', deny: 'no way' })).toThrow(AgentError);
    expect(() => configureByFlags(document, { ssl: '' })).toThrow(/must be enable or disable/);
    expect(document.text).toBe(settings);
  });
});
