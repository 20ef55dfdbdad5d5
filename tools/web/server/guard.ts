/** Which requests are answered: those of pages that this server gave out. */
import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';

const LOCAL = ['localhost', '127.0.0.1', '[::1]'];
/** What `--host` may be to listen on every address. */
const EVERY_ADDRESS = ['0.0.0.0', '::'];

/**
 * Why a request is refused; null when it is not. A name that an attacker's DNS points here shows in `Host` (DNS
 * rebinding), a request that another site makes shows in `Origin` or `Sec-Fetch-Site`; links to the page itself are fine.
 *
 * @param host what the server listens on, as `--host` gave it. On every address any address is right, but no foreign name.
 */
export function refusal(headers: IncomingHttpHeaders, host: string, hostname: string): string | null {
  const { host: named = '', origin } = headers;
  if (!isOwnName(hostPart(named), host, hostname)) return `The host "${named}" is not this server.`;
  if (origin !== undefined && origin !== `http://${named}`) return `Pages of ${origin} may not read from this server.`;
  const site = headers['sec-fetch-site'];
  const isLink = headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document';
  if ((site === 'cross-site' || site === 'same-site') && !isLink) return 'Other sites may not read from this server.';
  return null;
}

/** Without the port. */
const hostPart = (named: string): string => named.toLowerCase().replace(/:\d+$/, '');

function isOwnName(name: string, host: string, hostname: string): boolean {
  if (LOCAL.includes(name) || name === host.toLowerCase() || name === `[${host.toLowerCase()}]`) return true;
  if (!EVERY_ADDRESS.includes(host)) return false;
  return isIP(name.replace(/^\[|\]$/g, '')) !== 0 || name === hostname.toLowerCase();
}
