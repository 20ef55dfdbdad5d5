/**
 * What is public, read from the sources: every export of the files that the packages' indices re-export, of the further
 * files below that a program imports by their path, and the public members of exported classes and interfaces.
 */
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

/** The project's folder. */
export const root: string = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');

/** What a package offers beside what its index re-exports: files, or folders with all that is in them. */
const SUBPATHS = [
  'kernels/reference.ts',
  'runtime/functional/index.ts',
  'runtime/testing/index.ts',
  'runtime/memory.ts',
  'runtime/pipelines.ts',
  'runtime/tune/tune.ts',
  'runtime/tune/winners.ts',
  'model',
];
const INDICES = ['kernels/index.ts', 'runtime/index.ts', 'model/index.ts'];

/** An export, or a public member of an exported class, interface or object type. */
export interface PublicSymbol {
  /** Exported name; `Owner.member` for members. */
  readonly name: string;
  /** Path below the project's folder, with slashes. */
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly kind: 'function' | 'class' | 'type' | 'value' | 'member';
  /** Text of its doc comment, empty without one. Tags and their text are in {@link tags}. */
  readonly doc: string;
  /** Of its doc comment. */
  readonly tags: readonly { readonly name: string; readonly text: string }[];
  /** Names of the error classes that its own body, or a private helper of the same file that it calls, throws. */
  readonly throws: readonly string[];
  /** Names of the storage buffers of the kernel that a function returns, none for other functions. */
  readonly bindings: readonly string[];
}

const isFunction = (node: ts.Node): node is ts.FunctionLikeDeclaration => ts.isFunctionLike(node) && 'body' in node;

/** The files of {@link SUBPATHS}. */
function subpathFiles(): string[] {
  const isSource = (file: string): boolean => /(?<!\.d|\.test)\.ts$/.test(file) && !/^(dist|node_modules)\b/.test(file);
  return SUBPATHS.flatMap((name) => {
    const full = path.join(root, name);
    if (name.endsWith('.ts')) return ts.sys.fileExists(full) ? [full] : [];
    if (!ts.sys.directoryExists(full)) return [];
    const files = readdirSync(full, { recursive: true, encoding: 'utf8' });
    return files.filter(isSource).map((file) => path.join(full, file));
  });
}

/** The files all of whose exports are public, indices first: also those that an index re-exports as a whole. */
function entryFiles(program: ts.Program): ts.SourceFile[] {
  const checker = program.getTypeChecker();
  const found = new Set<ts.SourceFile>();
  const visit = (file: ts.SourceFile): void => {
    if (found.has(file)) return;
    found.add(file);
    for (const statement of file.statements) {
      if (!ts.isExportDeclaration(statement) || !statement.moduleSpecifier || statement.exportClause) continue;
      const target = checker.getSymbolAtLocation(statement.moduleSpecifier)?.valueDeclaration;
      if (target && ts.isSourceFile(target)) visit(target);
    }
  };
  for (const file of [...INDICES.map((name) => path.join(root, name)), ...subpathFiles()]) {
    visit(program.getSourceFile(file)!);
  }
  return [...found];
}

/** Reads the project's sources. */
function readProgram(): ts.Program {
  const { config } = ts.readConfigFile(path.join(root, 'tsconfig.json'), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent({ ...config, include: [], files: [] }, ts.sys, root);
  return ts.createProgram([...INDICES.map((name) => path.join(root, name)), ...subpathFiles()], options);
}

const nameIn = (file: ts.SourceFile): string => path.relative(root, file.fileName).split(path.sep).join('/');

/** Paths, below the project's folder, of the files with what is public: the pages of the reference. */
export const publicFiles = (): string[] => entryFiles(readProgram()).map(nameIn);

/** Finds the error classes that a body throws. */
class Throws {
  readonly #checker: ts.TypeChecker;
  readonly #known = new Map<ts.Node, Set<string>>();

  constructor(checker: ts.TypeChecker) {
    this.#checker = checker;
  }

  of(declaration: ts.Node): Set<string> {
    const known = this.#known.get(declaration);
    if (known) return known;
    const names = new Set<string>();
    this.#known.set(declaration, names);
    const visit = (node: ts.Node): void => {
      // What is thrown inside a try block is that block's affair.
      if (ts.isTryStatement(node) && node.catchClause) {
        visit(node.catchClause);
        if (node.finallyBlock) visit(node.finallyBlock);
        return;
      }
      if (ts.isThrowStatement(node)) {
        const thrown = this.#checker.getTypeAtLocation(node.expression).getSymbol()?.name;
        if (thrown) names.add(thrown);
      }
      if (ts.isCallExpression(node)) {
        const helper = this.#privateHelper(node, declaration.getSourceFile());
        if (helper) for (const name of this.of(helper)) names.add(name);
      }
      ts.forEachChild(node, visit);
    };
    visit(declaration);
    return names;
  }

  /** The function of the same file that a call calls, if nobody outside can call it. */
  #privateHelper({ expression }: ts.CallExpression, file: ts.SourceFile): ts.Node | undefined {
    const name = ts.isPropertyAccessExpression(expression) ? expression.name : expression;
    const target = this.#checker.getSymbolAtLocation(name)?.valueDeclaration;
    if (target?.getSourceFile() !== file) return undefined;
    if (ts.isMethodDeclaration(target)) return isPublicMember(target) ? undefined : target;
    if (ts.isFunctionDeclaration(target)) return isExported(target) ? undefined : target;
    if (!ts.isVariableDeclaration(target) || isExported(target.parent.parent)) return undefined;
    return target.initializer && isFunction(target.initializer) ? target.initializer : undefined;
  }
}

const modifiersOf = (node: ts.Node): ts.ModifierFlags =>
  ts.canHaveModifiers(node) ? ts.getCombinedModifierFlags(node as unknown as ts.Declaration) : 0;
const isExported = (node: ts.Node): boolean => (modifiersOf(node) & ts.ModifierFlags.Export) !== 0;

/** Neither private nor protected, and named so that others can name it. */
function isPublicMember(node: ts.ClassElement | ts.TypeElement): boolean {
  if (ts.isConstructorDeclaration(node)) {
    return node.parameters.length > 0 && (modifiersOf(node) & ts.ModifierFlags.NonPublicAccessibilityModifier) === 0;
  }
  if (!node.name || ts.isPrivateIdentifier(node.name)) return false;
  return (modifiersOf(node) & ts.ModifierFlags.NonPublicAccessibilityModifier) === 0;
}

/** Members that carry documentation of their own: of a class, an interface, or an object type under a name. */
function membersOf(declaration: ts.Declaration): readonly (ts.ClassElement | ts.TypeElement)[] {
  if (ts.isClassDeclaration(declaration) || ts.isInterfaceDeclaration(declaration)) return declaration.members;
  // Cases of a union are explained by the union's own documentation.
  const object = ts.isTypeAliasDeclaration(declaration) && ts.isTypeLiteralNode(declaration.type);
  return object ? declaration.type.members : [];
}

/** Whether a class or interface that this member's owner extends or implements documents it. */
function documentedAbove(checker: ts.TypeChecker, member: ts.Declaration, name: string): boolean {
  const owner = member.parent;
  if (!ts.isClassDeclaration(owner) && !ts.isInterfaceDeclaration(owner)) return false;
  return (owner.heritageClauses ?? []).some(({ types }) =>
    types.some((type) => {
      const inherited = checker.getTypeAtLocation(type).getProperty(name);
      return inherited !== undefined && inherited.getDocumentationComment(checker).length > 0;
    }),
  );
}

/** Everything public, with what its documentation says and must say. */
export function publicSymbols(): PublicSymbol[] {
  const program = readProgram();
  const checker = program.getTypeChecker();
  const throws = new Throws(checker);
  const symbols: PublicSymbol[] = [];

  const add = (name: string, kind: PublicSymbol['kind'], symbol: ts.Symbol, declaration: ts.Declaration): void => {
    const file = declaration.getSourceFile();
    const signature = checker.getTypeOfSymbolAtLocation(symbol, declaration).getCallSignatures()[0];
    const result = signature?.getReturnType();
    const [bindings] = result?.symbol?.name === 'Kernel' ? checker.getTypeArguments(result as ts.TypeReference) : [];
    symbols.push({
      name,
      file: nameIn(file),
      line: file.getLineAndCharacterOfPosition(declaration.getStart()).line + 1,
      kind,
      doc: ts.displayPartsToString(symbol.getDocumentationComment(checker)),
      tags: symbol.getJsDocTags(checker).map((tag) => ({ name: tag.name, text: ts.displayPartsToString(tag.text) })),
      throws: kind === 'class' ? [] : [...throws.of(declaration)],
      bindings: (bindings?.isUnion() ? bindings.types : bindings ? [bindings] : []).flatMap((type) =>
        type.isStringLiteral() ? [type.value] : [],
      ),
    });
  };

  const addMembers = (owner: string, declaration: ts.Declaration): void => {
    const seen = new Set<string>();
    for (const member of membersOf(declaration)) {
      if (!isPublicMember(member)) continue;
      const name = ts.isConstructorDeclaration(member) ? 'constructor' : member.name!.getText();
      const symbol = (member as unknown as { symbol: ts.Symbol }).symbol;
      if (seen.has(name) || documentedAbove(checker, member, name)) continue;
      seen.add(name);
      add(`${owner}.${name}`, 'member', symbol, member);
    }
  };

  const files = entryFiles(program);
  const known = new Set<ts.Declaration>();
  for (const file of files) {
    for (const exported of checker.getExportsOfModule(checker.getSymbolAtLocation(file)!)) {
      const isAlias = (exported.flags & ts.SymbolFlags.Alias) !== 0;
      const symbol = isAlias ? checker.getAliasedSymbol(exported) : exported;
      const [declaration] = symbol.declarations ?? [];
      if (!declaration || ts.isSourceFile(declaration) || known.has(declaration)) continue;
      const home = declaration.getSourceFile();
      if (home !== file && (!isAlias || files.includes(home))) continue;
      known.add(declaration);
      add(exported.name, kindOf(checker, symbol, declaration), symbol, declaration);
      for (const each of symbol.declarations!) addMembers(exported.name, each);
    }
  }
  return symbols;
}

function kindOf(checker: ts.TypeChecker, symbol: ts.Symbol, declaration: ts.Declaration): PublicSymbol['kind'] {
  if (ts.isClassDeclaration(declaration)) return 'class';
  if (ts.isInterfaceDeclaration(declaration) || ts.isTypeAliasDeclaration(declaration)) return 'type';
  const isCalled = checker.getTypeOfSymbolAtLocation(symbol, declaration).getCallSignatures().length > 0;
  return isCalled ? 'function' : 'value';
}
