import { expect, test } from "vitest"
import { isSafeDestination } from "../../src/proxy/backend/destinations.ts"

test.each([
  ["0.0.0.0", "RFC 1122 section 3.2.1.3"],
  ["0.1.2.3", "RFC 1122 section 3.2.1.3"],
  ["127.0.0.1", "RFC 1122 section 3.2.1.3"],
  ["127.255.255.254", "RFC 1122 section 3.2.1.3"],
  ["169.254.0.1", "RFC 3927"],
  ["169.254.169.254", "cloud metadata"],
  ["100.100.100.200", "cloud metadata"],
  ["168.63.129.16", "cloud metadata"],
  ["192.0.0.192", "cloud metadata"],
  ["224.0.0.1", "RFC 5771"],
  ["255.255.255.255", "RFC 919"],
  ["::", "RFC 4291 section 2.5.2"],
  ["::1", "RFC 4291 section 2.5.3"],
  ["0:0:0:0:0:0:0:1", "RFC 4291 section 2.5.3"],
  ["fe80::1", "RFC 4291 section 2.5.6"],
  ["fe80::1%eth0", "RFC 4007 section 11"],
  ["febf::1", "RFC 4291 section 2.5.6"],
  ["fd00:ec2::254", "cloud metadata"],
  ["fd20:ce::254", "cloud metadata"],
  ["2002:7f00:1::", "RFC 3056 section 2"],
  ["ff02::1", "RFC 4291 section 2.7"],
  ["::ffff:127.0.0.1", "RFC 4291 section 2.5.5.2"],
  ["::ffff:7f00:1", "RFC 4291 section 2.5.5.2"],
  ["::ffff:a9fe:a9fe", "RFC 4291 section 2.5.5.2"],
  ["::127.0.0.1", "RFC 4291 section 2.5.5.1"],
  ["64:ff9b::7f00:1", "RFC 6052 section 2.1"],
  ["64:ff9b::169.254.169.254", "RFC 6052 section 2.1"],
])("a name that leads to %s is refused (%s)", (address) => {
  expect(isSafeDestination(address)).toBe(false)
})

test.each([
  "10.0.0.1",
  "172.16.0.1",
  "192.168.1.1",
  "100.64.0.1",
  "93.184.215.14",
  "128.0.0.1",
  "169.253.255.255",
  "2001:db8::1",
  "fd00::1",
  "fec0::1",
  "::ffff:10.0.0.1",
  "64:ff9b::a00:1",
  "2002:a00:1::",
])("a name may lead to %s", (address) => {
  expect(isSafeDestination(address)).toBe(true)
})
