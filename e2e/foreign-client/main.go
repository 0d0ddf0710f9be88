// A client of the xDS server that shares nothing with it: grpc-go, and the messages and the client of
// go-control-plane. It plays scenarios, asks for changes on standard output ("change NAME"), goes on when it
// reads a line, and tells the outcome of each scenario ("ok NAME" or "not ok NAME: why").
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
)

// How long an answer may take, on a machine that others use as well.
const patience = 20 * time.Second

// For how long nothing may come where nothing must.
const quiet = 300 * time.Millisecond

type world struct {
	address string
	input   *bufio.Reader
}

// change asks whoever has started us to change what the server serves.
func (w *world) change(name string) error {
	fmt.Println("change " + name)
	_, err := w.input.ReadString('\n')
	return err
}

func (w *world) connect() (*grpc.ClientConn, error) {
	return grpc.NewClient(w.address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64<<20)))
}

// as gives a context whose streams show this token.
func as(token string) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token), cancel
}

type scenario struct {
	name string
	play func(*world, discovery.AggregatedDiscoveryServiceClient) error
}

func main() {
	address := flag.String("address", "", "host and port of the xDS server")
	translations := flag.Int("translations", 0, "how many scopes hold translated manifests: tokens translation-0 and so on")
	flag.Parse()
	w := &world{address: *address, input: bufio.NewReader(os.Stdin)}
	scenarios := append(append(deltaScenarios, sotwScenarios...), scenario{
		name: "every translated resource is what the official Go types allow",
		play: func(w *world, client discovery.AggregatedDiscoveryServiceClient) error {
			return checkTranslations(client, *translations)
		},
	})
	failed := 0
	for _, s := range scenarios {
		if err := play(w, s); err != nil {
			failed++
			fmt.Printf("not ok %s: %v\n", s.name, err)
		} else {
			fmt.Println("ok " + s.name)
		}
	}
	if failed > 0 {
		os.Exit(1)
	}
}

// play gives each scenario a connection of its own.
func play(w *world, s scenario) error {
	connection, err := w.connect()
	if err != nil {
		return err
	}
	defer connection.Close()
	return s.play(w, discovery.NewAggregatedDiscoveryServiceClient(connection))
}
