import { createHash, generateKeyPairSync, type KeyObject, sign, X509Certificate } from "node:crypto"
import { isIP } from "node:net"

/** A certificate and its key, both in PEM. */
export interface Certificate {
  readonly key: string
  readonly cert: string
}

/** A certificate authority for tests. */
export interface CertificateAuthority extends Certificate {
  /** A server certificate for these names, signed by this authority. */
  issue(names: readonly string[]): Certificate
}

/** A self-signed server certificate (P-256) for DNS names and IP addresses. The first name is the common name. */
export function selfSigned(names: readonly string[]): Certificate {
  const pair = generateKeyPairSync("ec", { namedCurve: "P-256" })
  const name = distinguishedName(names[0] ?? "localhost")
  return pem(
    pair.privateKey,
    certificate({
      subject: name,
      issuer: name,
      publicKey: pair.publicKey,
      signer: pair.privateKey,
      extensions: [subjectAltName(names)],
    }),
  )
}

/** A certificate authority whose certificate clients can trust (`ca` in Node.js, `--cacert` in curl). */
export function certificateAuthority(commonName = "Test CA"): CertificateAuthority {
  const pair = generateKeyPairSync("ec", { namedCurve: "P-256" })
  const name = distinguishedName(commonName)
  const identifier = keyIdentifier(pair.publicKey)
  const own = certificate({
    subject: name,
    issuer: name,
    publicKey: pair.publicKey,
    signer: pair.privateKey,
    extensions: [
      extension("551d13", true, sequence(tlv(0x01, Buffer.from([0xff])))),
      // keyCertSign and cRLSign.
      extension("551d0f", true, tlv(0x03, Buffer.from([1, 0b0000_0110]))),
      extension("551d0e", false, tlv(0x04, identifier)),
    ],
  })
  return {
    ...pem(pair.privateKey, own),
    issue(names) {
      const leaf = generateKeyPairSync("ec", { namedCurve: "P-256" })
      const der = certificate({
        subject: distinguishedName(names[0] ?? "localhost"),
        issuer: name,
        publicKey: leaf.publicKey,
        signer: pair.privateKey,
        extensions: [
          subjectAltName(names),
          // digitalSignature, and serverAuth with clientAuth.
          extension("551d0f", true, tlv(0x03, Buffer.from([7, 0b1000_0000]))),
          extension("551d25", false, sequence(oid("2b06010505070301"), oid("2b06010505070302"))),
          extension("551d23", false, sequence(tlv(0x80, identifier))),
        ],
      })
      return pem(leaf.privateKey, der)
    },
  }
}

interface Contents {
  readonly subject: Buffer
  readonly issuer: Buffer
  readonly publicKey: KeyObject
  readonly signer: KeyObject
  readonly extensions: readonly Buffer[]
}

/** X.509 version 3 in DER (RFC 5280 section 4.1). */
function certificate({ subject, issuer, publicKey, signer, extensions }: Contents): Buffer {
  const spki = publicKey.export({ type: "spki", format: "der" })
  const serial = createHash("sha256").update(spki).digest().subarray(0, 16)
  serial[0] = (serial[0]! & 0x7f) | 0x40
  const ecdsaWithSha256 = sequence(oid("2a8648ce3d040302"))
  const day = 86_400_000
  const body = sequence(
    tlv(0xa0, tlv(0x02, Buffer.from([2]))),
    tlv(0x02, serial),
    ecdsaWithSha256,
    issuer,
    sequence(time(Date.now() - day), time(Date.now() + 30 * day)),
    subject,
    spki,
    tlv(0xa3, sequence(...extensions)),
  )
  const signature = sign("sha256", body, signer)
  return sequence(body, ecdsaWithSha256, tlv(0x03, Buffer.concat([Buffer.from([0]), signature])))
}

function distinguishedName(commonName: string): Buffer {
  return sequence(tlv(0x31, sequence(oid("550403"), tlv(0x0c, Buffer.from(commonName)))))
}

function subjectAltName(names: readonly string[]): Buffer {
  return extension("551d11", false, sequence(...names.map(generalName)))
}

function generalName(name: string): Buffer {
  if (isIP(name) === 4) return tlv(0x87, Buffer.from(name.split(".").map(Number)))
  if (isIP(name) === 6) return tlv(0x87, ipv6Bytes(name))
  return tlv(0x82, Buffer.from(name))
}

function ipv6Bytes(address: string): Buffer {
  const [head = "", tail = ""] = address.split("::")
  const groups = (part: string) => part.split(":").filter((group) => group !== "")
  const missing = 8 - groups(head).length - groups(tail).length
  const all = [...groups(head), ...new Array<string>(missing).fill("0"), ...groups(tail)]
  return Buffer.from(all.map((group) => group.padStart(4, "0")).join(""), "hex")
}

function extension(id: string, critical: boolean, value: Buffer): Buffer {
  const flag = critical ? [tlv(0x01, Buffer.from([0xff]))] : []
  return sequence(oid(id), ...flag, tlv(0x04, value))
}

function keyIdentifier(publicKey: KeyObject): Buffer {
  const spki = publicKey.export({ type: "spki", format: "der" })
  return createHash("sha1").update(spki).digest()
}

/** UTCTime: two digits of the year suffice until 2049. */
function time(at: number): Buffer {
  const digits = new Date(at).toISOString().replace(/[-:T]/g, "").slice(2, 14)
  return tlv(0x17, Buffer.from(`${digits}Z`))
}

function oid(hex: string): Buffer {
  return tlv(0x06, Buffer.from(hex, "hex"))
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return tlv(0x30, Buffer.concat(parts))
}

function tlv(tag: number, content: Buffer): Buffer {
  const { length } = content
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content])
  if (length < 0x100) return Buffer.concat([Buffer.from([tag, 0x81, length]), content])
  return Buffer.concat([Buffer.from([tag, 0x82, length >> 8, length & 0xff]), content])
}

function pem(key: KeyObject, der: Buffer): Certificate {
  return { key: key.export({ type: "pkcs8", format: "pem" }).toString(), cert: new X509Certificate(der).toString() }
}
