// A proxy that tcpproxy's users write first: a route for each name.
// Run with {"port": number, "routes": {"name": port}} as the argument.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"

	"github.com/inetaf/tcpproxy"
)

func main() {
	var launch struct {
		Port   int
		Routes map[string]int
	}
	if err := json.Unmarshal([]byte(os.Args[1]), &launch); err != nil {
		log.Fatal(err)
	}
	listen := fmt.Sprintf("127.0.0.1:%d", launch.Port)
	var proxy tcpproxy.Proxy
	for name, port := range launch.Routes {
		proxy.AddSNIRoute(listen, name, tcpproxy.To(fmt.Sprintf("127.0.0.1:%d", port)))
	}
	log.Fatal(proxy.Run())
}
