import { setImmediate as nextTurn } from "node:timers/promises"
import { isDeepStrictEqual } from "node:util"
import type { GatewayResources, KubernetesObject, ObjectRef, ResourceProblem } from "../routing/resources.ts"
import { type ParsedDocument, parseDocument, splitDocuments } from "./manifest.ts"
import { keyOf, refOf, sameElements, sortObjects } from "./objects.ts"
import { readText, type ScannedFile, type ScannedPath } from "./scan.ts"
import { misnamedObject } from "./stray-objects.ts"
import { composeDocument } from "./yaml-document.ts"
import type { YamlModule } from "./yaml-module.ts"

/** Where something is written. Lines and columns count from 1. */
export interface SourceLocation {
  /** Path of the file, as given or joined to the directory given. */
  readonly file: string
  /** Line in the file. */
  readonly line: number
  /** Column in the line, in UTF-16 code units. */
  readonly column: number
}

/** A document with its place in the file. */
interface PlacedDocument {
  readonly text: string
  readonly line: number
  readonly parsed: ParsedDocument
}

/** A file as last read. */
interface ManifestFile {
  readonly scanned: ScannedFile
  readonly text: string | undefined
  /** The documents in force: of the last version without errors, else of the first. */
  readonly documents: readonly PlacedDocument[]
  /** Whether those are of a version without errors. */
  readonly sound: boolean
  readonly problems: readonly ResourceProblem[]
}

/** An object with the document it stands in. */
interface PlacedObject {
  readonly file: string
  readonly document: PlacedDocument
  readonly path: string
  readonly object: KubernetesObject
}

const FILE_STAYS = "; the last good version of the file stays in force"

/** A long parse gives way to connections after this time. */
const SLICE_MS = 8

/**
 * All manifests of a source and the snapshot they make. Parses only documents whose text changed, keeps the
 * identity of objects that say the same, and keeps the last good version of a file that breaks.
 */
export class ManifestSet {
  readonly #yaml: YamlModule
  readonly #maxFileBytes: number
  readonly #signal: AbortSignal | undefined
  #updated = false
  #paths: ReadonlyMap<string, ReadonlyMap<string, ManifestFile>> = new Map()
  #objects: ReadonlyMap<string, PlacedObject> = new Map()
  #snapshot: GatewayResources = {}

  constructor(yaml: YamlModule, maxFileBytes: number, signal?: AbortSignal) {
    this.#yaml = yaml
    this.#maxFileBytes = maxFileBytes
    this.#signal = signal
  }

  /**
   * Reads what changed. Returns the new snapshot, or the last one itself when it would say the same.
   *
   * @param afresh - read every file, whether or not it looks changed
   */
  async update(paths: readonly ScannedPath[], afresh = false): Promise<GatewayResources> {
    const next = new Map<string, ReadonlyMap<string, ManifestFile>>()
    const problems: ResourceProblem[] = []
    const turn = { startedAt: performance.now() }
    for (const scanned of paths) {
      const before = this.#paths.get(scanned.path)
      if ("message" in scanned) {
        const kept = before !== undefined && before.size > 0 ? "; its last version stays in force" : ""
        problems.push(fileProblem(scanned.path, `${scanned.message}${kept}`))
        next.set(scanned.path, before ?? new Map())
        continue
      }
      if (scanned.files.length === 0 && before?.has(scanned.path)) {
        problems.push(fileProblem(scanned.path, "is an empty directory now; its last version stays in force"))
        next.set(scanned.path, before)
        continue
      }
      if (scanned.files.length === 0) problems.push(emptyDirectory(scanned.path))
      const files = new Map<string, ManifestFile>()
      for (const file of scanned.files) {
        files.set(file.file, await this.#readFile(file, before?.get(file.file), afresh, turn))
      }
      next.set(scanned.path, files)
    }
    this.#paths = next
    this.#updated = true
    return this.#assemble(problems)
  }

  /** Finds where a field is written; the object itself for `""`. `undefined` when no file holds the object. */
  locate(ref: ObjectRef, path: string): SourceLocation | undefined {
    // Routing names objects with the default namespace it was given; files may leave it out.
    const placed = this.#objects.get(keyOf(ref)) ?? this.#objects.get(keyOf({ ...ref, namespace: "" }))
    if (placed === undefined) return undefined
    const { document, positions } = composeDocument(this.#yaml, placed.document.text)
    if (document === undefined) return undefined
    const { line, column } = positions.of(document, [placed.path, path].filter((part) => part !== "").join("."))
    return { file: placed.file, line: placed.document.line + line, column }
  }

  async #readFile(
    scanned: ScannedFile,
    before: ManifestFile | undefined,
    afresh: boolean,
    turn: { startedAt: number },
  ): Promise<ManifestFile> {
    const untouched = !afresh && before?.scanned.signature === scanned.signature && !before.scanned.fresh
    if (before !== undefined && (untouched || !scanned.regular)) return before
    const { file } = scanned
    // Waiting for its writer would hold up the changes of all other files.
    const late = this.#updated && !scanned.regular
    const read = late
      ? { failure: "a pipe or a device, which is read at the start only" }
      : await readText(file, this.#maxFileBytes, this.#signal)
    if ("failure" in read) {
      const message = before?.sound ? `${read.failure}; its last good version stays in force` : read.failure
      const problems = [fileProblem(file, message)]
      return { scanned, text: undefined, documents: before?.documents ?? [], sound: before?.sound ?? false, problems }
    }
    const { text } = read
    if (before !== undefined && before.text === text) return { ...before, scanned }
    // A file without a byte is one whose writing was cut short, by a full disk or a program that died.
    if (before?.sound === true && holdsObjects(before) && text.trim() === "") {
      return { ...before, scanned, text, problems: [emptiedFile(file)] }
    }

    const known = new Map(before?.documents.map((document) => [document.text, document.parsed]))
    const documents: PlacedDocument[] = []
    for (const part of splitDocuments(text)) {
      documents.push({ ...part, parsed: known.get(part.text) ?? parseDocument(this.#yaml, part.text) })
      if (performance.now() - turn.startedAt < SLICE_MS) continue
      await nextTurn()
      turn.startedAt = performance.now()
    }
    const misnamed = documents.flatMap((document) => this.#misnamed(file, document))
    const isEmpty = documents.every(({ parsed }) => parsed.objects.length === 0 && parsed.faults.length === 0)
    const sound =
      misnamed.length === 0 &&
      documents.every(({ parsed }) => parsed.faults.every(({ severity }) => severity !== "error"))
    const keep = !sound && before?.sound === true
    const problems: ResourceProblem[] = documents.flatMap(({ line, parsed }) =>
      parsed.faults.map((fault) => ({
        severity: fault.severity,
        code: fault.code,
        path: "",
        message: keep && fault.severity === "error" ? `${fault.message}${FILE_STAYS}` : fault.message,
        location: { file, line: line + fault.line, column: fault.column },
      })),
    )
    if (isEmpty) problems.push(emptyFile(file))
    if (keep) {
      problems.push(...misnamed.map((problem) => ({ ...problem, message: `${problem.message}${FILE_STAYS}` })))
      return { scanned, text, documents: before.documents, sound: true, problems }
    }
    return { scanned, text, documents, sound, problems }
  }

  /** Objects whose kind is hardly what was meant, with their places. Those in force are told of with the snapshot. */
  #misnamed(file: string, { text, line, parsed }: PlacedDocument): ResourceProblem[] {
    return parsed.objects.flatMap(({ object, path }) => {
      const problem = misnamedObject(refOf(object))
      if (problem === undefined) return []
      const { document, positions } = composeDocument(this.#yaml, text)
      const at = document && positions.of(document, path === "" ? problem.path : `${path}.${problem.path}`)
      return [{ ...problem, location: at === undefined ? { file } : { file, line: line + at.line, column: at.column } }]
    })
  }

  /** Puts the snapshot together from all files. */
  #assemble(pathProblems: readonly ResourceProblem[]): GatewayResources {
    const problems = [...pathProblems]
    const objects = new Map<string, PlacedObject>()
    for (const [file, manifest] of new Map([...this.#paths.values()].flatMap((files) => [...files]))) {
      problems.push(...manifest.problems)
      for (const document of manifest.documents) {
        for (const { path, object: parsed } of document.parsed.objects) {
          const ref = refOf(parsed)
          const key = keyOf(ref)
          const former = this.#objects.get(key)?.object
          const object = former !== undefined && isDeepStrictEqual(former, parsed) ? former : parsed
          const earlier = objects.get(key)
          if (earlier !== undefined) problems.push(duplicateProblem(ref, earlier, file, document))
          // As with kubectl apply, the last one written is in force; deleting keeps the order of the files.
          objects.delete(key)
          objects.set(key, { file, document, path, object })
        }
      }
    }
    this.#objects = objects
    const sorted = sortObjects(
      Array.from(objects.values(), ({ object }) => object),
      problems,
      this.#snapshot,
    )
    if (!sameSnapshot(this.#snapshot, sorted)) this.#snapshot = sorted
    return this.#snapshot
  }
}

function fileProblem(file: string, message: string): ResourceProblem {
  return {
    severity: "error",
    code: "UnreadableFile",
    path: "",
    message: `cannot be read: ${message}`,
    location: { file },
  }
}

function emptyDirectory(file: string): ResourceProblem {
  const message = "there is no .yaml, .yml or .json file in it; directories in it are not read"
  return { severity: "warning", code: "EmptyDirectory", path: "", message, location: { file } }
}

function holdsObjects({ documents }: ManifestFile): boolean {
  return documents.some(({ parsed }) => parsed.objects.length > 0)
}

function emptiedFile(file: string): ResourceProblem {
  const message =
    "there is nothing in it any more; its last good version stays in force: delete the file, or leave a comment in it, " +
    "to remove what was in it"
  return { severity: "error", code: "EmptyFile", path: "", message, location: { file } }
}

function emptyFile(file: string): ResourceProblem {
  return { severity: "warning", code: "EmptyFile", path: "", message: "there is no object in it", location: { file } }
}

function duplicateProblem(
  object: ObjectRef,
  earlier: PlacedObject,
  file: string,
  { line }: PlacedDocument,
): ResourceProblem {
  return {
    severity: "error",
    code: "DuplicateObject",
    object,
    path: "",
    message: `defined again at ${file}:${line + 1}, which is the one in force; rename or remove one of them`,
    location: { file: earlier.file, line: earlier.document.line + 1, column: 1 },
  }
}

function sameSnapshot(a: GatewayResources, b: GatewayResources): boolean {
  const { problems: problemsOfA = [], admitted: _, latest: _a, ...listsOfA } = a
  const { problems: problemsOfB = [], admitted: __, latest: _b, ...listsOfB } = b
  const names = new Set([...Object.keys(listsOfA), ...Object.keys(listsOfB)]) as Set<keyof typeof listsOfA>
  return (
    [...names].every((name) => sameElements(listsOfA[name] ?? [], listsOfB[name] ?? [])) &&
    isDeepStrictEqual(problemsOfA, problemsOfB)
  )
}
