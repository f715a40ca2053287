// Command tlsroute-apiserver is what tests on Kubernetes run, in one binary, so that what its parts share is
// compiled and linked once. By the name it is called, or by its first argument, it is
//
//   - kubectl and helm: the real ones;
//   - conformance: single tests of the Gateway API's conformance suite;
//   - else the real kube-apiserver with an embedded etcd, on loopback, with certificates and a token made on
//     the spot.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	helm "helm.sh/helm/v4/pkg/cmd"
	"k8s.io/component-base/cli"
	kubectl "k8s.io/kubectl/pkg/cmd"
)

var faces = map[string]func() int{
	"kubectl":     runKubectl,
	"helm":        runHelm,
	"conformance": runConformance,
}

func main() {
	if face, ok := faces[filepath.Base(os.Args[0])]; ok {
		os.Exit(face())
	}
	if len(os.Args) > 1 {
		if face, ok := faces[os.Args[1]]; ok {
			os.Args = os.Args[1:]
			os.Exit(face())
		}
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

func runHelm() int {
	command, err := helm.NewRootCmd(os.Stdout, os.Args[1:], helm.SetupLogging)
	if err == nil {
		err = command.Execute()
	}
	if err != nil {
		// The command has said what is wrong.
		return 1
	}
	return 0
}
