import type { Tap } from '../../host/bridges.ts';
import type { GuestConfig } from '../../model/guest-config.ts';
import { tapInterfaceName } from './network-cards.ts';
import type { RunDirectory } from './run-directory.ts';

/** The interfaces of this server that the cards of a guest need, with the addresses of the cards. */
export function tapsOf(config: GuestConfig, place: RunDirectory): (Tap & { readonly mac: string })[] {
  return config.networkInterfaces.flatMap(card =>
    card.bridge === undefined
      ? []
      : [
          {
            mac: card.mac,
            name: tapInterfaceName(card, place.files.interfacePrefix),
            bridge: card.bridge,
            rateLimit: card.rateLimit,
          },
        ],
  );
}
