package main

import (
	"embed"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"testing"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/require"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/gateway-api/apis/v1alpha2"
	"sigs.k8s.io/gateway-api/apis/v1alpha3"
	"sigs.k8s.io/gateway-api/conformance"
	"sigs.k8s.io/gateway-api/conformance/tests"
	"sigs.k8s.io/gateway-api/conformance/utils/config"
	"sigs.k8s.io/gateway-api/conformance/utils/suite"
	"sigs.k8s.io/gateway-api/pkg/features"
)

// The suite's own base has Gateways with HTTP listeners alone, and waits for them. This one has the namespaces;
// who runs the tests adds the pods, Services and backends that the tests need.
//
//go:embed conformance-base.yaml
var base embed.FS

// runConformance runs the tests named as arguments, of the suite that its Go module pins.
func runConformance() int {
	flags := flag.NewFlagSet("conformance", flag.ExitOnError)
	kubeconfig := flags.String("kubeconfig", "", "kubeconfig (required)")
	class := flags.String("gateway-class", "tlsroute", "GatewayClass under test")
	_ = flags.Parse(os.Args[1:])
	wanted := flags.Args()

	os.Args = []string{os.Args[0], "-test.v", "-test.timeout=10m"}
	testing.Init()
	flag.Parse()
	all := []testing.InternalTest{{Name: "Conformance", F: func(t *testing.T) { conform(t, *kubeconfig, *class, wanted) }}}
	// It ends the process with the result.
	testing.Main(func(string, string) (bool, error) { return true, nil }, all, nil, nil)
	return 0
}

func conform(t *testing.T, kubeconfig, class string, wanted []string) {
	log.SetLogger(logr.Discard())
	rest, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	require.NoError(t, err)
	rest.QPS, rest.Burst = 200, 200
	c, err := client.New(rest, client.Options{})
	require.NoError(t, err)
	clientset, err := kubernetes.NewForConfig(rest)
	require.NoError(t, err)
	for _, install := range []error{
		gatewayv1.Install(c.Scheme()),
		v1alpha2.Install(c.Scheme()),
		v1alpha3.Install(c.Scheme()),
		apiextensionsv1.AddToScheme(c.Scheme()),
	} {
		require.NoError(t, install)
	}
	selected := make([]suite.ConformanceTest, 0, len(wanted))
	for _, name := range wanted {
		at := slices.IndexFunc(tests.ConformanceTests, func(test suite.ConformanceTest) bool { return test.ShortName == name })
		require.NotEqual(t, -1, at, fmt.Sprintf("the suite has no test %s", name))
		selected = append(selected, tests.ConformanceTests[at])
	}
	require.NotEmpty(t, selected, "name the tests to run")

	options := suite.ConformanceOptions{
		ConfigurableOptions: suite.ConfigurableOptions{
			GatewayClassName:     class,
			CleanupTestResources: true,
			SupportedFeatures:    []features.FeatureName{features.SupportGateway, features.SupportReferenceGrant, features.SupportTLSRoute},
			TimeoutConfig:        config.DefaultTimeoutConfig(),
		},
		Client:        c,
		Clientset:     clientset,
		RestConfig:    rest,
		BaseManifests: "conformance-base.yaml",
		ManifestFS:    []fs.FS{&base, &conformance.Manifests},
	}
	cSuite, err := suite.NewConformanceTestSuite(options)
	require.NoError(t, err)
	cSuite.Setup(t, selected)
	require.NoError(t, cSuite.Run(t, selected))
}
