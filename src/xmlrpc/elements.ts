/** An element of XML-RPC, with its tags in their usual spelling so that the usual case is one comparison. */
export interface Element {
  readonly name: string;
  readonly startTag: string;
  readonly endTag: string;
}

/** Every element of XML-RPC. The `ex:` forms are those of Apache ws-xmlrpc's extensions. */
export const elements = {
  methodCall: element('methodCall'),
  methodResponse: element('methodResponse'),
  methodName: element('methodName'),
  params: element('params'),
  param: element('param'),
  fault: element('fault'),
  value: element('value'),
  int: element('int'),
  i4: element('i4'),
  i8: element('i8'),
  exI8: element('ex:i8'),
  boolean: element('boolean'),
  string: element('string'),
  double: element('double'),
  dateTime: element('dateTime.iso8601'),
  base64: element('base64'),
  nil: element('nil'),
  exNil: element('ex:nil'),
  array: element('array'),
  data: element('data'),
  struct: element('struct'),
  member: element('member'),
  name: element('name'),
} as const;

function element(name: string): Element {
  return { name, startTag: `<${name}>`, endTag: `</${name}>` };
}
