export type { ClientHello } from "./hello.ts"
