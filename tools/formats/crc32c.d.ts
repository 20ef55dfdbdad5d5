/** The part of crc-32 that its own declarations leave out. */
declare module 'crc-32/crc32c.js' {
  import type CRC32 from 'crc-32';

  const CRC32C: Pick<typeof CRC32, 'buf'>;
  export default CRC32C;
}
