package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/client-go/util/cert"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
)

// runServer keeps all state in one folder. Started again on the same folder and port, it is the same
// cluster after a restart: same data, same certificate, same token.
func runServer(args []string) int {
	flags := flag.NewFlagSet("tlsroute-apiserver", flag.ExitOnError)
	dir := flags.String("dir", "", "folder for data, certificates and kubeconfig (required)")
	port := flags.Int("port", 0, "port on 127.0.0.1; 0 picks a free one")
	mode := flags.String("authorization-mode", "RBAC", "RBAC or AlwaysAllow")
	flags.Usage = func() {
		fmt.Fprintln(flags.Output(), "Usage: tlsroute-apiserver --dir FOLDER [flags] [-- kube-apiserver flags]\n       tlsroute-apiserver kubectl|helm|conformance ...\nThe server ends with its standard input.")
		flags.PrintDefaults()
	}
	_ = flags.Parse(args)
	if *dir == "" {
		flags.Usage()
		return 2
	}
	if err := serve(*dir, *port, *mode, flags.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "tlsroute-apiserver:", err)
		return 1
	}
	return 0
}

func serve(dir string, port int, mode string, extra []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	// Who started it holds the other end, and may die without a word.
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()

	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	// etcd's peer socket is named relative to the working folder.
	if err := os.Chdir(dir); err != nil {
		return err
	}
	secrets, err := loadOrCreateSecrets(dir)
	if err != nil {
		return err
	}
	if port == 0 {
		if port, err = freePort(); err != nil {
			return err
		}
	}

	etcd, etcdURL, err := startEtcd(ctx, dir)
	if err != nil {
		return fmt.Errorf("etcd: %w", err)
	}
	defer etcd.Close()

	server := "https://127.0.0.1:" + strconv.Itoa(port)
	kubeconfig := filepath.Join(dir, "kubeconfig")
	if err := writeKubeconfig(kubeconfig, server, secrets); err != nil {
		return err
	}
	go announceWhenReady(ctx, server, secrets, kubeconfig)

	command := app.NewAPIServerCommand()
	command.SetArgs(append([]string{
		"--etcd-servers=" + etcdURL,
		"--bind-address=127.0.0.1",
		"--advertise-address=127.0.0.1",
		"--secure-port=" + strconv.Itoa(port),
		"--tls-cert-file=" + secrets.certFile,
		"--tls-private-key-file=" + secrets.keyFile,
		"--cert-dir=" + dir,
		"--token-auth-file=" + secrets.tokenFile,
		"--authorization-mode=" + mode,
		"--service-cluster-ip-range=127.96.0.0/16",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + secrets.accountKeyFile,
		"--service-account-signing-key-file=" + secrets.accountKeyFile,
		// Nothing makes service accounts or taints nodes here: there is no controller manager.
		"--disable-admission-plugins=ServiceAccount,TaintNodesByCondition",
		"--endpoint-reconciler-type=none",
		"--shutdown-delay-duration=0s",
	}, extra...))
	return command.ExecuteContext(ctx)
}

type secrets struct {
	token                                        string
	certFile, keyFile, tokenFile, accountKeyFile string
	certificate                                  []byte
}

func loadOrCreateSecrets(dir string) (*secrets, error) {
	s := &secrets{
		certFile:       filepath.Join(dir, "server.crt"),
		keyFile:        filepath.Join(dir, "server.key"),
		tokenFile:      filepath.Join(dir, "tokens.csv"),
		accountKeyFile: filepath.Join(dir, "service-account.key"),
	}
	tokenOnly := filepath.Join(dir, "token")
	if token, err := os.ReadFile(tokenOnly); err == nil {
		s.token = string(token)
		s.certificate, err = os.ReadFile(s.certFile)
		return s, err
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}

	certificate, key, err := cert.GenerateSelfSignedCertKey("127.0.0.1", nil, []string{"localhost"})
	if err != nil {
		return nil, err
	}
	accountKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	accountKeyPEM := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(accountKey)})
	random := make([]byte, 16)
	if _, err := rand.Read(random); err != nil {
		return nil, err
	}
	s.token = hex.EncodeToString(random)
	s.certificate = certificate
	for _, file := range []struct {
		path    string
		content []byte
	}{
		{s.certFile, certificate},
		{s.keyFile, key},
		{s.accountKeyFile, accountKeyPEM},
		{s.tokenFile, []byte(s.token + ",admin,admin,system:masters\n")},
		// Last: its presence says that the others are complete.
		{tokenOnly, []byte(s.token)},
	} {
		if err := os.WriteFile(file.path, file.content, 0o600); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func startEtcd(ctx context.Context, dir string) (*embed.Etcd, string, error) {
	clientPort, err := freePort()
	if err != nil {
		return nil, "", err
	}
	client := url.URL{Scheme: "http", Host: "127.0.0.1:" + strconv.Itoa(clientPort)}
	peer := url.URL{Scheme: "unix", Host: "etcd-peer-" + strconv.Itoa(os.Getpid())}

	config := embed.NewConfig()
	config.Dir = filepath.Join(dir, "etcd")
	config.LogLevel = "error"
	config.LogOutputs = []string{"stderr"}
	config.ListenClientUrls = []url.URL{client}
	config.AdvertiseClientUrls = []url.URL{client}
	config.ListenPeerUrls = []url.URL{peer}
	// The peer address recorded in the data need not be reachable: there is one member.
	advertised := url.URL{Scheme: "http", Host: "127.0.0.1:2380"}
	config.AdvertisePeerUrls = []url.URL{advertised}
	config.InitialCluster = config.Name + "=" + advertised.String()
	// Tests need the data to survive a restart of the process, not a power cut.
	config.UnsafeNoFsync = true

	etcd, err := embed.StartEtcd(config)
	if err != nil {
		return nil, "", err
	}
	select {
	case <-etcd.Server.ReadyNotify():
		return etcd, client.String(), nil
	case err := <-etcd.Err():
		return nil, "", err
	case <-ctx.Done():
		etcd.Close()
		return nil, "", ctx.Err()
	}
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

func writeKubeconfig(path, server string, s *secrets) error {
	config := api.NewConfig()
	config.Clusters["test"] = &api.Cluster{Server: server, CertificateAuthorityData: s.certificate}
	config.AuthInfos["admin"] = &api.AuthInfo{Token: s.token}
	config.Contexts["test"] = &api.Context{Cluster: "test", AuthInfo: "admin"}
	config.CurrentContext = "test"
	return clientcmd.WriteToFile(*config, path)
}

// announceWhenReady prints one line, "ready KUBECONFIG", for the program that started this one.
func announceWhenReady(ctx context.Context, server string, s *secrets, kubeconfig string) {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(s.certificate)
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	for ctx.Err() == nil {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, server+"/readyz", nil)
		if err != nil {
			return
		}
		request.Header.Set("Authorization", "Bearer "+s.token)
		if response, err := client.Do(request); err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				fmt.Println("ready", kubeconfig)
				return
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
}
