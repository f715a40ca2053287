/**
 * A strict, incremental parser of TLS ClientHellos. It accepts only what TLS servers read as one and the same name, in
 * any cut into TCP segments and TLS records, and refuses the rest with a code.
 *
 * ```ts
 * import { ClientHelloParser } from "tlsroute/client-hello"
 *
 * const parser = new ClientHelloParser()
 * socket.on("data", (chunk) => {
 *   const result = parser.push(chunk)
 *   if (result.status === "complete") console.log(result.hello.serverName, result.hello.ja4)
 *   if (result.status === "invalid") console.log(result.error.code)
 * })
 * ```
 *
 * It does not decrypt, verify or answer anything, and a name that a client asks for is not who the client is.
 *
 * @module tlsroute/client-hello
 * @packageDocumentation
 */
export { OptionError } from "../primitives/option-checks.ts"
export { ClientHelloError, type ClientHelloErrorCode } from "./errors.ts"
export { isGrease } from "./grease.ts"
export type { ClientHello, ClientHelloExtension, ClientHelloTransport } from "./hello.ts"
export { type ClientHelloOptions, ClientHelloParser, type ClientHelloResult, parseClientHello } from "./parser.ts"
