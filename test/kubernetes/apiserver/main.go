// Command tlsroute-apiserver is a Kubernetes API server for tests: the real kube-apiserver with an
// embedded etcd, on loopback, with certificates and a token made on the spot. Called as kubectl, or
// with kubectl as the first argument, it is the kubectl of the same release.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/component-base/cli"
	kubectl "k8s.io/kubectl/pkg/cmd"
)

func main() {
	if filepath.Base(os.Args[0]) == "kubectl" {
		os.Exit(runKubectl())
	}
	if len(os.Args) > 1 && os.Args[1] == "kubectl" {
		os.Args = os.Args[1:]
		os.Exit(runKubectl())
	}
	os.Exit(runServer(os.Args[1:]))
}

func runKubectl() int {
	if err := cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
