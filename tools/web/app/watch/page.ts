import type { Mount } from '../page.ts';
export const mount: Mount = () => ({ unmount() {} });
