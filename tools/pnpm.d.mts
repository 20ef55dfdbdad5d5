export function pnpmCommand(args: readonly string[]): {
  readonly label: string;
  readonly command: string;
  readonly args: string[];
  readonly options: { readonly shell: boolean; readonly env: NodeJS.ProcessEnv };
};
