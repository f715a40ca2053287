import { isGrease } from "../../client-hello/grease.ts"
import type { ClientHello } from "../../client-hello/hello.ts"
import { TLS_VERSIONS } from "../../proxy/connection/hello-summary.ts"
import { printable, type Terminal } from "../shared/terminal.ts"

/** IANA TLS Supported Groups, those that clients send. */
const GROUPS: Readonly<Record<number, string>> = {
  23: "secp256r1",
  24: "secp384r1",
  25: "secp521r1",
  29: "x25519",
  30: "x448",
  256: "ffdhe2048",
  257: "ffdhe3072",
  258: "ffdhe4096",
  259: "ffdhe6144",
  260: "ffdhe8192",
  4587: "SecP256r1MLKEM768",
  4588: "X25519MLKEM768",
  4589: "SecP384r1MLKEM1024",
  25497: "X25519Kyber768Draft00",
}

/** IANA TLS ExtensionType Values, those that clients send. */
const EXTENSIONS: Readonly<Record<number, string>> = {
  0: "server_name",
  1: "max_fragment_length",
  5: "status_request",
  10: "supported_groups",
  11: "ec_point_formats",
  13: "signature_algorithms",
  16: "application_layer_protocol_negotiation",
  18: "signed_certificate_timestamp",
  21: "padding",
  22: "encrypt_then_mac",
  23: "extended_main_secret",
  27: "compress_certificate",
  28: "record_size_limit",
  34: "delegated_credential",
  35: "session_ticket",
  41: "pre_shared_key",
  42: "early_data",
  43: "supported_versions",
  45: "psk_key_exchange_modes",
  49: "post_handshake_auth",
  50: "signature_algorithms_cert",
  51: "key_share",
  17513: "application_settings",
  17613: "application_settings",
  65037: "encrypted_client_hello",
  65281: "renegotiation_info",
}

/** A ClientHello as plain data: numbers as on the wire, bytes in hex. */
export function describeHello(hello: ClientHello) {
  return {
    serverName: hello.serverName ?? null,
    ...(hello.offeredName === undefined ? {} : { offeredName: hello.offeredName }),
    alpnProtocols: hello.alpnProtocols,
    supportedVersions: hello.supportedVersions,
    legacyVersion: hello.legacyVersion,
    random: hex(hello.random),
    sessionId: hex(hello.sessionId),
    cipherSuites: hello.cipherSuites,
    compressionMethods: hex(hello.compressionMethods),
    extensions: hello.extensions.map(({ type, data }) => ({ type, data: hex(data) })),
    supportedGroups: hello.supportedGroups,
    signatureAlgorithms: hello.signatureAlgorithms,
    keyShareGroups: hello.keyShareGroups,
    echOffered: hello.echOffered,
    grease: hello.hasGrease,
    ja3: hello.ja3,
    ja4: hello.ja4,
  }
}

/** Prints a ClientHello for a person. */
export function printHello(hello: ClientHello, out: Terminal): void {
  const row = (label: string, text: string): void => out.line(`${out.style("dim", label.padEnd(22))}${text}`)
  const list = (values: readonly (string | number)[]): string => values.join(", ") || "none"
  const named = (values: readonly number[], names: Readonly<Record<number, string>>): string =>
    list(values.map((value) => (isGrease(value) ? "GREASE" : (names[value] ?? code(value)))))

  row("server name", hello.serverName === undefined ? noName(hello) : out.style("bold", printable(hello.serverName)))
  row("ALPN protocols", list(hello.alpnProtocols.map(printable)))
  row("supported versions", named(hello.supportedVersions, TLS_VERSIONS))
  row("legacy version", TLS_VERSIONS[hello.legacyVersion] ?? code(hello.legacyVersion))
  row("random", hex(hello.random))
  row("session id", hex(hello.sessionId) || "none")
  row("cipher suites", named(hello.cipherSuites, {}))
  row("supported groups", named(hello.supportedGroups, GROUPS))
  row("key shares", named(hello.keyShareGroups, GROUPS))
  row("signature algorithms", named(hello.signatureAlgorithms, {}))
  row("extensions", named(hello.extensionTypes, EXTENSIONS))
  row("ECH", hello.echOffered ? "offered, in earnest or as GREASE" : "not offered")
  row("JA3", hello.ja3)
  row("JA4", hello.ja4)
}

function noName({ offeredName }: ClientHello): string {
  return offeredName === undefined ? "none" : `none (${offeredName} is an IP address, which is no name)`
}

function code(value: number): string {
  return `0x${value.toString(16).padStart(4, "0")}`
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex")
}
