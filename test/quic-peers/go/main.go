// Peers of the suite beside it: an HTTP/3 server, and a client that compares every byte.
package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

func main() {
	var err error
	switch os.Args[1] {
	case "server":
		err = server(os.Args[2:])
	case "client":
		err = client(os.Args[2:])
	case "flood":
		err = flood(os.Args[2:])
	default:
		err = fmt.Errorf("no such peer: %s", os.Args[1])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// pattern is the bytes of a name: whoever gets another server's, or some twice, or none, notices.
func pattern(name string, length int) []byte {
	block := sha256.Sum256([]byte(name))
	all := make([]byte, 0, length+len(block))
	for len(all) < length {
		block = sha256.Sum256(block[:])
		all = append(all, block[:]...)
	}
	return all[:length]
}

func server(args []string) error {
	flags := flag.NewFlagSet("server", flag.ExitOnError)
	name := flags.String("name", "a.example", "name in the certificate")
	address := flags.String("address", "127.0.0.1:0", "where to listen")
	retry := flags.Bool("retry", false, "answer every client with a Retry")
	idLength := flags.Int("id-length", 0, "bytes of connection ids")
	only1 := flags.Bool("v1", false, "speak QUIC version 1 only")
	flags.Parse(args)
	certificate, spki, err := selfSigned(*name)
	if err != nil {
		return err
	}
	at, err := net.ResolveUDPAddr("udp", *address)
	if err != nil {
		return err
	}
	stream, socket, err := listen(at)
	if err != nil {
		return err
	}
	port := stream.Addr().(*net.TCPAddr).Port
	transport := &quic.Transport{Conn: socket, ConnectionIDLength: *idLength}
	if *retry {
		transport.VerifySourceAddress = func(net.Addr) bool { return true }
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/who", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, *name) })
	mux.HandleFunc("/page", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, "<!doctype html><title>"+*name+"</title>")
	})
	mux.HandleFunc("/bytes", func(w http.ResponseWriter, r *http.Request) {
		length, _ := strconv.Atoi(r.URL.Query().Get("n"))
		w.Header().Set("Content-Length", strconv.Itoa(length))
		w.Write(pattern(*name, length))
	})
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })
	config := &tls.Config{
		Certificates: []tls.Certificate{certificate},
		// What a client asks for must be what this server is.
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			if hello.ServerName != *name {
				return nil, fmt.Errorf("asked for %q", hello.ServerName)
			}
			return nil, nil
		},
	}
	h3 := &http3.Server{Handler: mux, TLSConfig: http3.ConfigureTLSConfig(config)}
	quicConfig := &quic.Config{Allow0RTT: true}
	if *only1 {
		quicConfig.Versions = []quic.Version{quic.Version1}
	}
	listener, err := transport.ListenEarly(h3.TLSConfig, quicConfig)
	if err != nil {
		return err
	}
	h2 := &http.Server{Handler: advertising(mux), TLSConfig: config}
	go h2.ServeTLS(stream, "", "")
	json.NewEncoder(os.Stdout).Encode(map[string]any{"port": port, "spki": spki})
	return h3.ServeListener(listener)
}

// listen takes a TCP port and the UDP port of the same number: of several, where the system is to choose.
func listen(at *net.UDPAddr) (*net.TCPListener, *net.UDPConn, error) {
	for attempt := 0; ; attempt++ {
		stream, err := net.ListenTCP("tcp", &net.TCPAddr{IP: at.IP, Port: at.Port})
		if err != nil {
			return nil, nil, err
		}
		socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: at.IP, Port: stream.Addr().(*net.TCPAddr).Port})
		if err == nil {
			return stream, socket, nil
		}
		stream.Close()
		if at.Port != 0 || attempt == 9 {
			return nil, nil, err
		}
	}
}

// advertising tells clients of HTTP/3 at the port that they came to.
func advertising(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, port, err := net.SplitHostPort(r.Host); err == nil {
			w.Header().Set("Alt-Svc", fmt.Sprintf(`h3=":%s"; ma=86400`, port))
		}
		handler.ServeHTTP(w, r)
	})
}

func client(args []string) error {
	flags := flag.NewFlagSet("client", flag.ExitOnError)
	gateway := flags.String("gateway", "", "address and port to send to")
	names := flags.String("names", "a.example", "names to ask for, all from one socket")
	length := flags.Int("bytes", 1000, "bytes to download and to upload")
	rounds := flags.Int("rounds", 1, "times, a moment apart")
	download := flags.Bool("download", false, "do not upload")
	pause := flags.Duration("pause", 0, "between rounds")
	early := flags.Bool("early", false, "connect again and ask with 0-RTT")
	versions := flags.String("versions", "1", "versions of QUIC to speak, the first one first")
	from := flags.String("from", "127.0.0.1", "address of its own")
	overTCP := flags.Bool("tcp", false, "speak HTTP/2 over TCP")
	flags.Parse(args)
	if *overTCP {
		return clientOverTCP(*gateway, *from, strings.Split(*names, ","), *length, !*download)
	}
	socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(*from)})
	if err != nil {
		return err
	}
	transport := &quic.Transport{Conn: socket}
	to, err := net.ResolveUDPAddr("udp", *gateway)
	if err != nil {
		return err
	}
	config := &quic.Config{HandshakeIdleTimeout: 8 * time.Second, MaxIdleTimeout: 15 * time.Second}
	for _, version := range strings.Split(*versions, ",") {
		config.Versions = append(config.Versions, map[string]quic.Version{"1": quic.Version1, "2": quic.Version2}[version])
	}
	used0RTT := false
	newClient := func(tlsConfig *tls.Config) (*http3.Transport, *http.Client) {
		h3 := &http3.Transport{
			TLSClientConfig: tlsConfig,
			QUICConfig:      config,
			Dial: func(ctx context.Context, _ string, tlsConfig *tls.Config, config *quic.Config) (*quic.Conn, error) {
				connection, err := transport.DialEarly(ctx, to, tlsConfig, config)
				if err == nil && *early {
					go func() {
						<-connection.HandshakeComplete()
						used0RTT = used0RTT || connection.ConnectionState().Used0RTT
					}()
				}
				return connection, err
			},
		}
		return h3, &http.Client{Transport: h3, Timeout: 60 * time.Second}
	}
	tlsConfig := &tls.Config{InsecureSkipVerify: true, ClientSessionCache: tls.NewLRUClientSessionCache(10)}
	h3, web := newClient(tlsConfig)
	for round := 0; round < *rounds; round++ {
		if round > 0 {
			time.Sleep(*pause)
		}
		for _, name := range strings.Split(*names, ",") {
			if err := exchange(web, name, *length, !*download); err != nil {
				return explained(err)
			}
		}
	}
	if *early {
		h3.Close()
		_, web = newClient(tlsConfig)
		request, _ := http.NewRequest(http3.MethodGet0RTT, "https://"+strings.Split(*names, ",")[0]+"/who", nil)
		answer, err := web.Do(request)
		if err != nil {
			return explained(err)
		}
		who, _ := io.ReadAll(answer.Body)
		time.Sleep(200 * time.Millisecond)
		fmt.Printf("0-RTT %v from %s\n", used0RTT, who)
	}
	fmt.Println("ok")
	return nil
}

func clientOverTCP(gateway, from string, names []string, length int, upload bool) error {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	web := &http.Client{Timeout: 60 * time.Second, Transport: &http.Transport{
		ForceAttemptHTTP2: true,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp", gateway)
		},
	}}
	for _, name := range names {
		if err := exchange(web, name, length, upload); err != nil {
			return err
		}
	}
	fmt.Println("ok")
	return nil
}

func explained(err error) error {
	var closed *quic.TransportError
	if errors.As(err, &closed) {
		return fmt.Errorf("closed by the peer with 0x%x: %w", uint64(closed.ErrorCode), err)
	}
	return err
}

func exchange(web *http.Client, name string, length int, upload bool) error {
	expected := pattern(name, length)
	down, err := web.Get(fmt.Sprintf("https://%s/bytes?n=%d", name, length))
	if err != nil {
		return err
	}
	defer down.Body.Close()
	if err := compare(down.Body, expected, "downloaded from "+name); err != nil || !upload {
		return err
	}
	up, err := web.Post("https://"+name+"/echo", "application/octet-stream", bytes.NewReader(expected))
	if err != nil {
		return err
	}
	defer up.Body.Close()
	return compare(up.Body, expected, "echoed by "+name)
}

func compare(body io.Reader, expected []byte, what string) error {
	got, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	if !bytes.Equal(got, expected) {
		return fmt.Errorf("%d bytes %s are not the %d that were meant", len(got), what, len(expected))
	}
	return nil
}

func selfSigned(name string) (tls.Certificate, string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, "", err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: name},
		DNSNames:     []string{name},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, "", err
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, "", err
	}
	hash := sha256.Sum256(parsed.RawSubjectPublicKeyInfo)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, base64.StdEncoding.EncodeToString(hash[:]), nil
}
