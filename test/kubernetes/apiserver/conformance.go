package main

import (
	"embed"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

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
	confv1 "sigs.k8s.io/gateway-api/conformance/apis/v1"
	"sigs.k8s.io/gateway-api/conformance/tests"
	"sigs.k8s.io/gateway-api/conformance/utils/config"
	"sigs.k8s.io/gateway-api/conformance/utils/suite"
	"sigs.k8s.io/gateway-api/pkg/features"
	"sigs.k8s.io/yaml"
)

// The suite's own base has Gateways with HTTP listeners alone, and waits for them. This one has the namespaces;
// who runs the tests adds the pods, Services and backends that the tests need.
//
//go:embed conformance-base.yaml
var base embed.FS

type conformanceFlags struct {
	kubeconfig, class, features, skip, report, version string
	only                                               []string
	patience                                           time.Duration
}

// runConformance runs the profile GATEWAY-TLS of the suite that its Go module pins, and writes the suite's own
// report; or single tests of it, named as arguments.
func runConformance() int {
	var given conformanceFlags
	flags := flag.NewFlagSet("conformance", flag.ExitOnError)
	flags.StringVar(&given.kubeconfig, "kubeconfig", "", "kubeconfig (required)")
	flags.StringVar(&given.class, "gateway-class", "tlsroute", "GatewayClass under test")
	flags.StringVar(&given.features, "features", "", "extended features to claim, separated by commas")
	flags.StringVar(&given.skip, "skip", "", "tests to skip, separated by commas")
	flags.StringVar(&given.report, "report", "", "file to write the report to")
	flags.DurationVar(&given.patience, "patience", 0, "longest wait for a condition; the suite's own when 0")
	flags.StringVar(&given.version, "implementation-version", "", "version of the implementation, for the report")
	_ = flags.Parse(os.Args[1:])
	given.only = flags.Args()

	os.Args = []string{os.Args[0], "-test.v", "-test.timeout=20m"}
	testing.Init()
	flag.Parse()
	all := []testing.InternalTest{{Name: "Conformance", F: func(t *testing.T) { conform(t, given) }}}
	// It ends the process with the result.
	testing.Main(func(string, string) (bool, error) { return true, nil }, all, nil, nil)
	return 0
}

func conform(t *testing.T, given conformanceFlags) {
	log.SetLogger(logr.Discard())
	rest, err := clientcmd.BuildConfigFromFlags("", given.kubeconfig)
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
	selected := tests.ConformanceTests
	if len(given.only) > 0 {
		selected = make([]suite.ConformanceTest, 0, len(given.only))
		for _, name := range given.only {
			at := slices.IndexFunc(tests.ConformanceTests, func(test suite.ConformanceTest) bool { return test.ShortName == name })
			require.NotEqual(t, -1, at, fmt.Sprintf("the suite has no test %s", name))
			selected = append(selected, tests.ConformanceTests[at])
		}
	}
	supported := []features.FeatureName{features.SupportGateway, features.SupportReferenceGrant, features.SupportTLSRoute}
	for _, name := range list(given.features) {
		supported = append(supported, features.FeatureName(name))
	}

	options := suite.ConformanceOptions{
		ConfigurableOptions: suite.ConfigurableOptions{
			GatewayClassName:     given.class,
			CleanupTestResources: true,
			SupportedFeatures:    supported,
			SkipTests:            list(given.skip),
			TimeoutConfig:        timeouts(given.patience),
			// The report counts a test that has not ended as one that passed: none may run beside others.
			DisableParallelTests: true,
			Mode:                 "default",
			ConformanceProfiles:  []suite.ConformanceProfileName{suite.GatewayTLSConformanceProfileName},
			Implementation: confv1.Implementation{
				Organization: "tlsroute",
				Project:      "tlsroute",
				URL:          "https://tlsroute.dev",
				Version:      given.version,
				Contact:      []string{"https://tlsroute.dev"},
			},
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
	// The suite counts as running until the test that runs it is over.
	t.Run("Run", func(t *testing.T) { require.NoError(t, cSuite.Run(t, selected)) })
	if given.report == "" {
		return
	}
	report, err := cSuite.Report()
	require.NoError(t, err)
	text, err := yaml.Marshal(report)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(given.report, text, 0o644))
}

func timeouts(patience time.Duration) config.TimeoutConfig {
	timeouts := config.DefaultTimeoutConfig()
	if patience == 0 {
		return timeouts
	}
	for _, wait := range []*time.Duration{
		&timeouts.GatewayMustHaveAddress,
		&timeouts.GatewayMustHaveCondition,
		&timeouts.GatewayStatusMustHaveListeners,
		&timeouts.GatewayListenersMustHaveConditions,
		&timeouts.HTTPRouteMustNotHaveParents,
		&timeouts.HTTPRouteMustHaveCondition,
		&timeouts.RouteMustHaveParents,
		&timeouts.NamespacesMustBeReady,
		&timeouts.MaxTimeToConsistency,
		&timeouts.LatestObservedGenerationSet,
		&timeouts.DefaultTestTimeout,
	} {
		*wait = min(*wait, patience)
	}
	return timeouts
}

func list(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}
