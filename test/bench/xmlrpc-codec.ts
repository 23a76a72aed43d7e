import { performance } from 'node:perf_hooks';
import { decodeDocument } from '../../src/xmlrpc/decode.ts';
import { readMethodCall, readMethodResponse } from '../../src/xmlrpc/reader.ts';
import { writeMethodCall, writeMethodResponse } from '../../src/xmlrpc/writer.ts';
import type { XmlRpcLimits, XmlRpcStruct } from '../../src/xmlrpc/values.ts';

/** One line of the table: our time, and that of JSON for the same data in the same minute of the same machine. */
export interface CodecBenchRow {
  readonly name: string;
  /** Time of one run, median, in milliseconds. */
  readonly medianMs: number;
  readonly jsonMedianMs: number;
  /** `medianMs` by `jsonMedianMs`. */
  readonly ratio: number;
  /** Length of the document, in bytes. */
  readonly documentBytes: number;
}

interface Work {
  readonly name: string;
  readonly documentBytes: number;
  readonly ours: () => unknown;
  readonly json: () => unknown;
  /** Runs in one measurement, so that it is well above the clock's resolution. */
  readonly runs: number;
}

const limits: XmlRpcLimits = { depth: 64, values: 1_000_000 };
const guests = 1_000;
const warmUps = 20;
const measurements = 31;

/**
 * Bytes to values and values to bytes: with the decoding and encoding of text, as a server has to do it. The two sides
 * of a row take turns, so that a busy machine slows both.
 */
export function benchXmlRpcCodec(): Promise<CodecBenchRow[]> {
  return Promise.resolve(works().map(measure));
}

function works(): Work[] {
  const records = Array.from({ length: guests }, (_, index) => guestRecord(index));
  const recordsXml = Buffer.from(writeMethodResponse(records));
  const recordsJson = Buffer.from(JSON.stringify(records));
  const call = { method: 'echo', params: ['hello'] };
  const callXml = Buffer.from(writeMethodCall(call.method, call.params));
  const callJson = Buffer.from(JSON.stringify(call));
  const replyXmlBytes = Buffer.byteLength(writeMethodResponse('hello'));
  return [
    {
      name: 'read the call echo("hello")',
      documentBytes: callXml.length,
      ours: () => readMethodCall(decodeDocument(callXml), limits),
      json: () => JSON.parse(callJson.toString()) as unknown,
      runs: 1_000,
    },
    {
      name: 'write the reply "hello"',
      documentBytes: replyXmlBytes,
      ours: () => Buffer.from(writeMethodResponse('hello')),
      json: () => Buffer.from(JSON.stringify('hello')),
      runs: 1_000,
    },
    {
      name: `decode ${guests} guest records`,
      documentBytes: recordsXml.length,
      ours: () => readMethodResponse(decodeDocument(recordsXml), limits),
      json: () => JSON.parse(recordsJson.toString()) as unknown,
      runs: 1,
    },
    {
      name: `encode ${guests} guest records`,
      documentBytes: recordsXml.length,
      ours: () => Buffer.from(writeMethodResponse(records)),
      json: () => Buffer.from(JSON.stringify(records)),
      runs: 1,
    },
  ];
}

/** A record of the size of what db_get_vm and list_vms answer. */
function guestRecord(index: number): XmlRpcStruct {
  const name = `${String(index)}_guest-${String(index)}`;
  return {
    name,
    path: `/OVS/running_pool/${name}`,
    status: index % 3 === 0 ? 'Powered Off' : 'Running',
    uuid: `7b3c1f6e-2d54-4c0e-9a61-${String(index).padStart(12, '0')}`,
    memoryMib: 2_048 + index,
    vcpus: 1 + (index % 8),
    vncPort: 5_900 + index,
    cpuPercent: index / 7,
    autostart: index % 2 === 0,
    server: `10.0.${String(index >> 8)}.${String(index & 255)}`,
    note: 'disks <a> & <b> of the "second" shelf',
    interfaces: [`00:16:3e:00:${String(index % 90)}:01`, 'xenbr0'],
  };
}

function measure({ name, documentBytes, ours, json, runs }: Work): CodecBenchRow {
  for (let warmUp = 0; warmUp < warmUps * runs; warmUp += 1) {
    ours();
    json();
  }
  const oursMs: number[] = [];
  const jsonMs: number[] = [];
  for (let measurement = 0; measurement < measurements; measurement += 1) {
    oursMs.push(timeOf(ours, runs));
    jsonMs.push(timeOf(json, runs));
  }
  const medianMs = median(oursMs);
  const jsonMedianMs = median(jsonMs);
  return { name, documentBytes, medianMs, jsonMedianMs, ratio: medianMs / jsonMedianMs };
}

function timeOf(work: () => unknown, runs: number): number {
  const start = performance.now();
  for (let run = 0; run < runs; run += 1) work();
  return (performance.now() - start) / runs;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}
