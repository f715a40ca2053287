import type * as Http from "node:http"

/**
 * `node:http`. As of Node.js 22 an `import` of it reads every name that it exports, `WebSocket` among them, and with that
 * one come fetch, HTTP/2, streams of the web and compression: 10 to 15 MB of memory that nothing here uses.
 */
export const http: typeof Http = process.getBuiltinModule("node:http")
