import type { XmlRpcLimits } from '../xmlrpc/values.ts';

/** Bounds on what strangers can make the agent hold. Times in milliseconds, sizes in bytes. */
export interface WireLimits {
  /** Time for a TLS handshake, and for the headers of a request. */
  readonly headerTimeMs: number;
  /** Time for a whole request to arrive, and for a reply to be taken. */
  readonly bodyTimeMs: number;
  readonly keepAliveTimeMs: number;
  readonly headerBytes: number;
  readonly bodyBytes: number;
  readonly connections: number;
  readonly connectionsPerAddress: number;
  readonly requestsPerConnection: number;
  readonly document: XmlRpcLimits;
}
