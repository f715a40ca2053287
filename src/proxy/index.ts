export { type AccessList, admits, type Cidr, CidrList, parseCidr } from "./limits/cidr.ts"
export {
  encodeProxyV1,
  encodeProxyV2,
  type ProxyHeaderAddresses,
  type ProxyHeaderFields,
} from "./proxy-protocol/encode.ts"
export { ProxyProtocolError, type ProxyProtocolErrorCode } from "./proxy-protocol/errors.ts"
export { type ProxyAddress, type ProxyHeader, type ProxyTlv, ProxyTlvType } from "./proxy-protocol/header.ts"
export {
  type ProxyHeaderOptions,
  ProxyHeaderParser,
  type ProxyHeaderResult,
  parseProxyHeader,
} from "./proxy-protocol/parser.ts"
export type * from "./router.ts"
