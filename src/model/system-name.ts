/** What a system says of itself (uname(2)); `machine` is such as `x86_64`. */
export interface SystemName {
  readonly sysname: string;
  readonly nodename: string;
  readonly release: string;
  readonly version: string;
  readonly machine: string;
}
