// Asks each NAME:PORT, all on 127.0.0.1, for a page, and prints a line on how it went.
package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
)

func main() {
	for _, target := range os.Args[1:] {
		_, port, _ := strings.Cut(target, ":")
		dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, "127.0.0.1:"+port)
		}
		client := http.Client{Transport: &http.Transport{DialContext: dial}}
		if _, err := client.Get("https://" + target + "/"); err != nil {
			fmt.Println(err)
		} else {
			fmt.Println("connected")
		}
	}
}
