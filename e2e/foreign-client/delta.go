package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	grpcstatus "google.golang.org/grpc/status"
)

// deltaStream is one stream of the delta variant, with what was received on it and is not taken yet.
type deltaStream struct {
	stream   discovery.AggregatedDiscoveryService_DeltaAggregatedResourcesClient
	received chan *discovery.DeltaDiscoveryResponse
	failed   chan error
	// waiting has been received while something else was waited for.
	waiting []*discovery.DeltaDiscoveryResponse
	isFirst bool
	id      string
	close   context.CancelFunc
}

func openDelta(client discovery.AggregatedDiscoveryServiceClient, token, id string) (*deltaStream, error) {
	ctx, cancel := as(token)
	stream, err := client.DeltaAggregatedResources(ctx)
	if err != nil {
		cancel()
		return nil, err
	}
	d := &deltaStream{
		stream: stream, received: make(chan *discovery.DeltaDiscoveryResponse, 1024), failed: make(chan error, 1),
		isFirst: true, id: id, close: cancel,
	}
	go func() {
		for {
			response, err := stream.Recv()
			if err != nil {
				d.failed <- err
				return
			}
			d.received <- response
		}
	}()
	return d, nil
}

func (d *deltaStream) send(request *discovery.DeltaDiscoveryRequest) error {
	if d.isFirst {
		request.Node = node(d.id)
		d.isFirst = false
	}
	return d.stream.Send(request)
}

func (d *deltaStream) subscribe(typeURL string, names ...string) error {
	return d.send(&discovery.DeltaDiscoveryRequest{TypeUrl: typeURL, ResourceNamesSubscribe: names})
}

func (d *deltaStream) ack(response *discovery.DeltaDiscoveryResponse) error {
	return d.send(&discovery.DeltaDiscoveryRequest{TypeUrl: response.GetTypeUrl(), ResponseNonce: response.GetNonce()})
}

func (d *deltaStream) nack(response *discovery.DeltaDiscoveryResponse, message string) error {
	return d.send(&discovery.DeltaDiscoveryRequest{
		TypeUrl: response.GetTypeUrl(), ResponseNonce: response.GetNonce(),
		ErrorDetail: &status.Status{Code: int32(codes.InvalidArgument), Message: message},
	})
}

// next takes the next response of a type.
func (d *deltaStream) next(typeURL string) (*discovery.DeltaDiscoveryResponse, error) {
	for i, response := range d.waiting {
		if response.GetTypeUrl() == typeURL {
			d.waiting = slices.Delete(d.waiting, i, i+1)
			return response, nil
		}
	}
	for deadline := time.After(patience); ; {
		select {
		case response := <-d.received:
			if response.GetTypeUrl() == typeURL {
				return response, nil
			}
			d.waiting = append(d.waiting, response)
		case err := <-d.failed:
			return nil, err
		case <-deadline:
			return nil, fmt.Errorf("no %s within %v", typeURL, patience)
		}
	}
}

// expectQuiet fails if anything comes.
func (d *deltaStream) expectQuiet() error {
	if len(d.waiting) > 0 {
		return fmt.Errorf("%s came unasked", d.waiting[0])
	}
	select {
	case response := <-d.received:
		return fmt.Errorf("%s came unasked", response)
	case err := <-d.failed:
		return err
	case <-time.After(quiet):
		return nil
	}
}

// expect takes the next response of a type, checks what it adds and removes, and decodes all of it.
func (d *deltaStream) expect(typeURL string, added, removed []string) (*discovery.DeltaDiscoveryResponse, error) {
	response, err := d.next(typeURL)
	if err != nil {
		return nil, err
	}
	names := []string{}
	for _, resource := range response.GetResources() {
		_, name, err := decode(resource.GetResource())
		if err != nil {
			return nil, err
		}
		if name != resource.GetName() {
			return nil, fmt.Errorf("resource %q holds %q", resource.GetName(), name)
		}
		if resource.GetVersion() == "" {
			return nil, fmt.Errorf("resource %q has no version", name)
		}
		names = append(names, name)
	}
	slices.Sort(names)
	gone := slices.Sorted(slices.Values(response.GetRemovedResources()))
	if !slices.Equal(names, added) || !slices.Equal(gone, removed) {
		return nil, fmt.Errorf("%s has %v and removes %v instead of %v and %v", typeURL, names, gone, added, removed)
	}
	return response, nil
}

// settle does what `expect` does, and accepts.
func (d *deltaStream) settle(typeURL string, added, removed []string) error {
	response, err := d.expect(typeURL, added, removed)
	if err != nil {
		return err
	}
	return d.ack(response)
}

// first fails with the first of these errors.
func first(steps ...func() error) error {
	for i, step := range steps {
		if err := step(); err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
	}
	return nil
}

var deltaScenarios = []scenario{
	{"delta: a wrong token opens nothing", func(w *world, client discovery.AggregatedDiscoveryServiceClient) error {
		d, err := openDelta(client, "wrong", "n")
		if err != nil {
			return err
		}
		defer d.close()
		_ = d.subscribe(clusterType)
		_, err = d.next(clusterType)
		if grpcstatus.Code(err) != codes.Unauthenticated {
			return fmt.Errorf("got %v instead of Unauthenticated", err)
		}
		return nil
	}},
	{"delta: subscriptions, unprompted endpoints, missing names and unsubscriptions", func(w *world, client discovery.AggregatedDiscoveryServiceClient) error {
		d, err := openDelta(client, "token-a", "delta-1")
		if err != nil {
			return err
		}
		defer d.close()
		none := []string{}
		both := []string{"one", "two"}
		return first(
			func() error { return w.change("reset") },
			func() error { return d.subscribe(clusterType) },
			func() error { return d.settle(clusterType, both, none) },
			func() error { return d.subscribe(endpointType, "one", "two") },
			func() error { return d.settle(endpointType, both, none) },
			func() error { return d.subscribe(listenerType) },
			func() error { return d.settle(listenerType, []string{"l"}, none) },
			func() error { return d.subscribe(routeType, "t") },
			func() error { return d.settle(routeType, []string{"t"}, none) },
			func() error { return d.expectQuiet() },
			// One event, one resource.
			func() error { return w.change("endpoints") },
			func() error { return d.settle(endpointType, []string{"two"}, none) },
			// A changed cluster has its endpoints behind it, changed or not.
			func() error { return w.change("cluster") },
			func() error { return d.settle(clusterType, []string{"one"}, none) },
			func() error { return d.settle(endpointType, []string{"one"}, none) },
			// What is not there is said not to be, and comes when it is.
			func() error { return d.subscribe(endpointType, "three") },
			func() error { return d.settle(endpointType, none, []string{"three"}) },
			func() error { return w.change("third") },
			func() error { return d.settle(clusterType, []string{"three"}, none) },
			func() error { return d.settle(endpointType, []string{"three"}, none) },
			// Asked for again, it is sent again.
			func() error { return d.subscribe(endpointType, "three") },
			func() error { return d.settle(endpointType, []string{"three"}, none) },
			func() error {
				return d.send(&discovery.DeltaDiscoveryRequest{TypeUrl: endpointType, ResourceNamesUnsubscribe: []string{"two"}})
			},
			func() error { return w.change("endpoints again") },
			func() error { return d.expectQuiet() },
		)
	}},
	{"delta: a refused cluster is not sent again, and its successor is", func(w *world, client discovery.AggregatedDiscoveryServiceClient) error {
		d, err := openDelta(client, "token-a", "delta-2")
		if err != nil {
			return err
		}
		defer d.close()
		none := []string{}
		var refused *discovery.DeltaDiscoveryResponse
		return first(
			func() error { return w.change("reset") },
			func() error { return d.subscribe(clusterType) },
			func() error { return d.settle(clusterType, []string{"one", "two"}, none) },
			func() error { return w.change("cluster") },
			func() error { refused, err = d.expect(clusterType, []string{"one"}, none); return err },
			func() error { return d.nack(refused, "not by me") },
			func() error { return d.expectQuiet() },
			func() error { return w.change("expect refusal of one: not by me") },
			func() error { return w.change("cluster again") },
			func() error { return d.settle(clusterType, []string{"one"}, none) },
			func() error { return d.expectQuiet() },
			func() error { return w.change("expect no refusal of one") },
		)
	}},
	{"delta: who reconnects and tells what it has gets the difference", func(w *world, client discovery.AggregatedDiscoveryServiceClient) error {
		d, err := openDelta(client, "token-a", "delta-3")
		if err != nil {
			return err
		}
		none := []string{}
		versions := map[string]string{}
		if err := first(
			func() error { return w.change("reset") },
			func() error { return w.change("third") },
			func() error { return d.subscribe(clusterType) },
			func() error {
				response, err := d.expect(clusterType, []string{"one", "three", "two"}, none)
				for _, resource := range response.GetResources() {
					versions[resource.GetName()] = resource.GetVersion()
				}
				return errors.Join(err, d.ack(response))
			},
			func() error { d.close(); return nil },
			func() error { return w.change("cluster") },
		); err != nil {
			return err
		}
		again, err := openDelta(client, "token-a", "delta-3")
		if err != nil {
			return err
		}
		defer again.close()
		return first(
			func() error {
				return again.send(&discovery.DeltaDiscoveryRequest{TypeUrl: clusterType, InitialResourceVersions: versions})
			},
			func() error { return again.settle(clusterType, []string{"one"}, none) },
			// It carries traffic, so a changed cluster must not wait for it to ask for the endpoints.
			func() error { return again.settle(endpointType, []string{"one"}, none) },
			func() error { return again.expectQuiet() },
			// Later than the linger, which is short here.
			func() error { return w.change("no third") },
			func() error { return again.settle(clusterType, none, []string{"three"}) },
		)
	}},
}
