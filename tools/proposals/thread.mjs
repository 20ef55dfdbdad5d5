/** Entry of a thread: what registered TypeScript in the main one does not reach here. */
import { register } from 'tsx/esm/api';

register();
await import('./thread.ts');
