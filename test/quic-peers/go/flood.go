package main

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"math"
	mathrand "math/rand/v2"
	"net"
	"syscall"
	"time"
)

// Length of every datagram: the least that servers take (RFC 9000 section 14.1).
const floodSize = 1200

// flood sends first packets that servers take for a client's, each as from another address of 127.0.0.0/8. That takes
// the right to make raw sockets, and answers go nowhere.
func flood(args []string) error {
	flags := flag.NewFlagSet("flood", flag.ExitOnError)
	to := flags.String("gateway", "", "IPv4 address and port to send to")
	name := flags.String("name", "a.example", "name to ask for")
	rate := flags.Int("rate", 20_000, "datagrams per second")
	duration := flags.Duration("for", 10*time.Second, "how long")
	flags.Parse(args)
	at, err := net.ResolveUDPAddr("udp4", *to)
	if err != nil {
		return err
	}
	if !at.IP.IsLoopback() {
		return errors.New("a flood goes to loopback only")
	}
	hello, err := clientHello(*name)
	if err != nil {
		return err
	}
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_RAW, syscall.IPPROTO_RAW)
	if err != nil {
		return fmt.Errorf("a raw socket: %w", err)
	}
	began, sent := time.Now(), 0
	for elapsed := time.Duration(0); elapsed < *duration; elapsed = time.Since(began) {
		for due := int(elapsed.Seconds() * float64(*rate)); sent < due; sent++ {
			packet := forged(at, initial(hello))
			if err := syscall.Sendto(socket, packet, 0, &syscall.SockaddrInet4{Addr: [4]byte(at.IP.To4())}); err != nil {
				return err
			}
		}
		time.Sleep(time.Millisecond)
	}
	fmt.Printf("%d datagrams in %.1f s\n", sent, time.Since(began).Seconds())
	return nil
}

// forged is an IPv4 packet (RFC 791) with a UDP datagram (RFC 768, without a checksum).
func forged(to *net.UDPAddr, payload []byte) []byte {
	packet := make([]byte, 28, 28+len(payload))
	packet[0], packet[8], packet[9] = 0x45, 64, syscall.IPPROTO_UDP
	binary.BigEndian.PutUint16(packet[2:], uint16(28+len(payload)))
	packet[12] = 127
	packet[13], packet[14], packet[15] = byte(1+mathrand.IntN(254)), byte(mathrand.IntN(256)), byte(1+mathrand.IntN(254))
	copy(packet[16:], to.IP.To4())
	binary.BigEndian.PutUint16(packet[20:], uint16(1024+mathrand.IntN(math.MaxUint16-1024)))
	binary.BigEndian.PutUint16(packet[22:], uint16(to.Port))
	binary.BigEndian.PutUint16(packet[24:], uint16(8+len(payload)))
	return append(packet, payload...)
}

// clientHello is one that fits into a datagram.
func clientHello(name string) ([]byte, error) {
	client := tls.QUICClient(&tls.QUICConfig{TLSConfig: &tls.Config{
		ServerName:       name,
		NextProtos:       []string{"h3"},
		MinVersion:       tls.VersionTLS13,
		CurvePreferences: []tls.CurveID{tls.X25519},
	}})
	// initial_source_connection_id is empty, as the one in the header is.
	client.SetTransportParameters([]byte{0x0f, 0})
	if err := client.Start(context.Background()); err != nil {
		return nil, err
	}
	for {
		switch event := client.NextEvent(); event.Kind {
		case tls.QUICWriteData:
			return event.Data, nil
		case tls.QUICNoEvent:
			return nil, errors.New("no ClientHello")
		}
	}
}

var salt, _ = hex.DecodeString("38762cf7f55934b34d179ae6a4c80cadccbb7f0a")

// initial is a client's first packet under a new connection id (RFC 9001 section 5).
func initial(hello []byte) []byte {
	id := make([]byte, 8)
	rand.Read(id)
	extracted, _ := hkdf.Extract(sha256.New, id, salt)
	secret := label(extracted, "client in", 32)
	header := append([]byte{0xc3, 0, 0, 0, 1, 8}, id...)
	// No source id, no token, the length of what follows, and packet number 0 in four bytes.
	header = append(header, 0, 0)
	header = binary.BigEndian.AppendUint16(header, uint16(0x4000|(floodSize-len(header)-2)))
	number := len(header)
	header = append(header, 0, 0, 0, 0)
	// One CRYPTO frame, then PADDING.
	frames := make([]byte, floodSize-len(header)-16)
	frames[0] = 6
	binary.BigEndian.PutUint16(frames[2:], uint16(0x4000|len(hello)))
	copy(frames[4:], hello)
	block, _ := aes.NewCipher(label(secret, "quic key", 16))
	sealer, _ := cipher.NewGCM(block)
	packet := sealer.Seal(header, label(secret, "quic iv", 12), frames, header)
	mask := make([]byte, 16)
	block, _ = aes.NewCipher(label(secret, "quic hp", 16))
	block.Encrypt(mask, packet[number+4:number+20])
	packet[0] ^= mask[0] & 0x0f
	for at := range 4 {
		packet[number+at] ^= mask[1+at]
	}
	return packet
}

// label is HKDF-Expand-Label of RFC 8446 section 7.1, without a context.
func label(secret []byte, name string, length int) []byte {
	info := append([]byte{0, byte(length), byte(len("tls13 ") + len(name))}, "tls13 "+name...)
	expanded, _ := hkdf.Expand(sha256.New, secret, string(append(info, 0)), length)
	return expanded
}
