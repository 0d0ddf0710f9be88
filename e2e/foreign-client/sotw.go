package main

import (
	"fmt"
	"slices"
	"time"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	client "github.com/envoyproxy/go-control-plane/pkg/client/sotw/v3"
	"google.golang.org/protobuf/types/known/anypb"
)

func namesOf(resources []*anypb.Any) ([]string, error) {
	names := []string{}
	for _, resource := range resources {
		_, name, err := decode(resource)
		if err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}

// expectNames takes the next response of a client of go-control-plane.
func expectNames(c client.ADSClient, expected ...string) error {
	type outcome struct {
		response *client.Response
		err      error
	}
	done := make(chan outcome, 1)
	go func() {
		response, err := c.Fetch()
		done <- outcome{response, err}
	}()
	select {
	case o := <-done:
		if o.err != nil {
			return o.err
		}
		names, err := namesOf(o.response.Resources)
		if err != nil {
			return err
		}
		if !slices.Equal(names, expected) {
			return fmt.Errorf("got %v instead of %v", names, expected)
		}
		return nil
	case <-time.After(patience):
		return fmt.Errorf("nothing within %v", patience)
	}
}

var sotwScenarios = []scenario{
	{"state of the world: go-control-plane's client gets the whole set with each change", func(w *world, _ discovery.AggregatedDiscoveryServiceClient) error {
		connection, err := w.connect()
		if err != nil {
			return err
		}
		defer connection.Close()
		ctx, cancel := as("token-a")
		defer cancel()
		clusters := client.NewADSClient(ctx, node("sotw-1"), clusterType)
		return first(
			func() error { return w.change("reset") },
			func() error { return clusters.InitConnect(connection) },
			func() error { return expectNames(clusters, "one", "two") },
			func() error { return clusters.Ack() },
			func() error { return w.change("third") },
			func() error { return expectNames(clusters, "one", "three", "two") },
			func() error { return clusters.Ack() },
			func() error { return w.change("no third") },
			func() error { return expectNames(clusters, "one", "two") },
			func() error { return clusters.Ack() },
		)
	}},
	{"state of the world: a refused cluster stays in its last good form", func(w *world, _ discovery.AggregatedDiscoveryServiceClient) error {
		connection, err := w.connect()
		if err != nil {
			return err
		}
		defer connection.Close()
		ctx, cancel := as("token-a")
		defer cancel()
		clusters := client.NewADSClient(ctx, node("sotw-2"), clusterType)
		return first(
			func() error { return w.change("reset") },
			func() error { return clusters.InitConnect(connection) },
			func() error { return expectNames(clusters, "one", "two") },
			func() error { return clusters.Ack() },
			func() error { return w.change("cluster") },
			func() error { return expectNames(clusters, "one", "two") },
			func() error { return clusters.Nack("not by me either") },
			func() error { return w.change("expect refusal of one: not by me either") },
			// What is left is what it has, so that the next that comes is the successor.
			func() error { return w.change("cluster again") },
			func() error { return expectNames(clusters, "one", "two") },
			func() error { return clusters.Ack() },
			func() error { return w.change("expect no refusal of one") },
		)
	}},
	{"state of the world: names are asked for as a whole list, and stale nonces are not answered", func(w *world, c discovery.AggregatedDiscoveryServiceClient) error {
		ctx, cancel := as("token-a")
		defer cancel()
		stream, err := c.StreamAggregatedResources(ctx)
		if err != nil {
			return err
		}
		received := make(chan *discovery.DiscoveryResponse, 64)
		go func() {
			defer close(received)
			for {
				response, err := stream.Recv()
				if err != nil {
					return
				}
				received <- response
			}
		}()
		expect := func(names ...string) (*discovery.DiscoveryResponse, error) {
			select {
			case response, ok := <-received:
				if !ok {
					return nil, fmt.Errorf("the stream has ended")
				}
				got, err := namesOf(response.GetResources())
				if err == nil && !slices.Equal(got, names) {
					err = fmt.Errorf("got %v instead of %v", got, names)
				}
				return response, err
			case <-time.After(patience):
				return nil, fmt.Errorf("nothing within %v", patience)
			}
		}
		expectNothing := func() error {
			select {
			case response := <-received:
				return fmt.Errorf("%s came unasked", response)
			case <-time.After(quiet):
				return nil
			}
		}
		ask := func(nonce, version string, names ...string) error {
			return stream.Send(&discovery.DiscoveryRequest{
				Node: node("sotw-3"), TypeUrl: endpointType, ResourceNames: names, ResponseNonce: nonce, VersionInfo: version,
			})
		}
		var last *discovery.DiscoveryResponse
		return first(
			func() error { return w.change("reset") },
			func() error { return ask("", "", "one") },
			func() error { last, err = expect("one"); return err },
			func() error { return ask(last.GetNonce(), last.GetVersionInfo(), "one") },
			func() error { return ask(last.GetNonce(), last.GetVersionInfo(), "one", "two") },
			func() error { last, err = expect("two"); return err },
			func() error { return ask("stale", last.GetVersionInfo(), "one", "two", "three") },
			expectNothing,
			func() error { return ask(last.GetNonce(), last.GetVersionInfo(), "two") },
			expectNothing,
			func() error { return w.change("endpoints") },
			func() error { last, err = expect("two"); return err },
			func() error { return ask(last.GetNonce(), last.GetVersionInfo()) },
			func() error { return w.change("endpoints again") },
			expectNothing,
		)
	}},
}
