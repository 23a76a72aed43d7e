/** Asks whether an agent answers at an address; gives the reason when none does. */
export type PeerProbe = (address: string) => Promise<string | undefined>;
