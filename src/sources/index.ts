/**
 * Where a gateway's configuration comes from: files that are followed, or objects that a program holds.
 *
 * ```ts
 * import { createPassthroughGateway } from "tlsroute"
 * import { fileSource } from "tlsroute/sources"
 *
 * const gateway = createPassthroughGateway({ source: fileSource("/etc/gateway") })
 * await gateway.start()
 * ```
 *
 * Any async iterable of snapshots will do as a source: see {@link GatewaySource}.
 *
 * @module tlsroute/sources
 * @packageDocumentation
 */
export type { FileSource, FileSourceOptions, ReadOptions, ReadResult } from "./file-source.ts"
export { fileSource, readResources } from "./file-source.ts"
export type { SourceLocation } from "./manifest-set.ts"
export type { ObjectSource } from "./object-source.ts"
export { objectSource } from "./object-source.ts"
export { resourcesFromObjects } from "./objects.ts"
export type { GatewaySource, SourceFunction } from "./source.ts"
export type { SourceErrorCode } from "./source-error.ts"
export { SourceError } from "./source-error.ts"
