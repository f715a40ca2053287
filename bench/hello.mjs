import { createHash } from "node:crypto"

/**
 * A ClientHello as a browser sends it (RFC 8446 section 4.1.2): GREASE (RFC 8701), one record. Random fields are derived
 * from the name, so every run sends the same bytes.
 *
 * @param {string} serverName host_name for the server_name extension
 * @param {"hybrid" | "classic"} [generation] with an X25519MLKEM768 key share and GREASE ECH, about 1.7 KB; or from before
 * both, with X25519 and P-256, about 400 bytes, and extensions in an order of its own for each name, as browsers mix them
 * @returns {Buffer}
 */
export function buildClientHello(serverName, generation = "hybrid") {
  const random = randomBytes(serverName)
  const isHybrid = generation === "hybrid"
  const groups = isHybrid ? [0x11ec, 0x001d, 0x0017, 0x0018] : [0x001d, 0x0017, 0x0018]
  const shares = isHybrid
    ? [keyShare(0x11ec, mlKemKey(random), random(32)), keyShare(0x001d, random(32))]
    : [keyShare(0x001d, random(32)), keyShare(0x0017, u8(4), random(64))]
  const inside = [
    extension(0x0000, vector(2, u8(0), vector(2, Buffer.from(serverName)))), // server_name
    extension(0x0017), // extended_master_secret
    extension(0xff01, vector(1)), // renegotiation_info
    extension(0x000a, vector(2, u16(0x0a0a, ...groups))), // supported_groups
    extension(0x000b, vector(1, u8(0))), // ec_point_formats
    extension(0x0023), // session_ticket
    extension(0x0010, vector(2, vector(1, Buffer.from("h2")), vector(1, Buffer.from("http/1.1")))), // ALPN
    extension(0x0005, u8(1), vector(2), vector(2)), // status_request
    extension(0x000d, vector(2, u16(0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601))), // signature_algorithms
    extension(0x0012), // signed_certificate_timestamp
    extension(0x0033, vector(2, keyShare(0x0a0a, u8(0)), ...shares)), // key_share
    extension(0x002d, vector(1, u8(1))), // psk_key_exchange_modes
    extension(0x002b, vector(1, u16(0x0a0a, 0x0304, 0x0303))), // supported_versions
    extension(0x001b, vector(1, u16(0x0002))), // compress_certificate
  ]
  if (isHybrid) {
    const config = u16(0x0001, 0x0001)
    inside.push(extension(0xfe0d, u8(0), config, u8(7), vector(2, random(32)), vector(2, random(144)))) // GREASE ECH
  } else {
    shuffle(inside, random)
  }
  const extensions = Buffer.concat([extension(0x0a0a), ...inside, extension(0x1a1a, u8(0))])
  const ciphers = [0x0a0a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014]
  const body = Buffer.concat([
    u16(0x0303),
    random(32),
    vector(1, random(32)), // legacy_session_id
    vector(2, u16(...ciphers, 0x009c, 0x009d, 0x002f, 0x0035)),
    vector(1, u8(0)), // legacy_compression_methods
    vector(2, extensions),
  ])
  const handshake = Buffer.concat([u8(1, 0), vector(2, body)]) // client_hello, the length's high byte
  return Buffer.concat([u8(22), u16(0x0301), vector(2, handshake)])
}

/** @param {string} seed */
function randomBytes(seed) {
  let counter = 0
  /** @param {number} length */
  return (length) => {
    const blocks = []
    for (let size = 0; size < length; size += 32) {
      blocks.push(createHash("sha256").update(`${seed} ${counter++}`).digest())
    }
    return Buffer.concat(blocks).subarray(0, length)
  }
}

/**
 * An encapsulation key that ML-KEM-768 takes for valid (FIPS 203 section 7.2): 12-bit coefficients below 3329, and a seed.
 *
 * @param {(length: number) => Buffer} random
 */
function mlKemKey(random) {
  const key = random(1184)
  for (let i = 0; i < 1152; i += 3) {
    const pair = key.readUIntLE(i, 3)
    key.writeUIntLE(((pair & 0xfff) % 3329) | (((pair >> 12) % 3329) << 12), i, 3)
  }
  return key
}

/**
 * @param {Buffer[]} list
 * @param {(length: number) => Buffer} random
 */
function shuffle(list, random) {
  const draws = random(list.length)
  for (let last = list.length - 1; last > 0; last--) {
    const chosen = draws[last] % (last + 1)
    const moved = list[last]
    list[last] = list[chosen]
    list[chosen] = moved
  }
}

/**
 * @param {number} group
 * @param {Buffer[]} key
 */
function keyShare(group, ...key) {
  return Buffer.concat([u16(group), vector(2, ...key)])
}

/** @param {number[]} values */
function u8(...values) {
  return Buffer.from(values)
}

/** @param {number[]} values */
function u16(...values) {
  return Buffer.from(values.flatMap((value) => [value >> 8, value & 0xff]))
}

/**
 * @param {1 | 2} lengthBytes
 * @param {Buffer[]} parts
 */
function vector(lengthBytes, ...parts) {
  const content = Buffer.concat(parts)
  return Buffer.concat([lengthBytes === 1 ? u8(content.length) : u16(content.length), content])
}

/**
 * @param {number} type
 * @param {Buffer[]} parts
 */
function extension(type, ...parts) {
  return Buffer.concat([u16(type), vector(2, ...parts)])
}
