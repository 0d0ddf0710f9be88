package main

import (
	"fmt"

	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	listener "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	hcm "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tls "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"
)

// checkTranslations follows all references from clusters and listeners, as Envoy does, and decodes what comes.
func checkTranslations(client discovery.AggregatedDiscoveryServiceClient, scopes int) error {
	if scopes == 0 {
		return fmt.Errorf("there are none")
	}
	checked := 0
	for i := range scopes {
		count, err := checkTranslation(client, fmt.Sprintf("translation-%d", i))
		if err != nil {
			return fmt.Errorf("scope %d: %w", i, err)
		}
		checked += count
	}
	fmt.Printf("# %d resources of %d scopes\n", checked, scopes)
	if checked < 4*scopes {
		return fmt.Errorf("%d resources are too few for %d scopes", checked, scopes)
	}
	return nil
}

// checkTranslation gives the number of resources that it has decoded.
func checkTranslation(client discovery.AggregatedDiscoveryServiceClient, token string) (int, error) {
	d, err := openDelta(client, token, token)
	if err != nil {
		return 0, err
	}
	checked := 0
	defer d.close()
	wanted := map[string]map[string]bool{}
	for _, typeURL := range []string{clusterType, listenerType} {
		if err := d.subscribe(typeURL); err != nil {
			return 0, err
		}
		// The set may be spread over several messages; the first comes in any case.
		response, err := d.next(typeURL)
		if err != nil {
			return 0, err
		}
		for response != nil {
			for _, resource := range response.GetResources() {
				message, _, err := decode(resource.GetResource())
				if err != nil {
					return 0, fmt.Errorf("%s %q: %w", typeURL, resource.GetName(), err)
				}
				follow(message, wanted)
				checked++
			}
			if err := d.ack(response); err != nil {
				return 0, err
			}
			response = d.poll(typeURL)
		}
	}
	for typeURL, names := range wanted {
		for name := range names {
			if err := d.subscribe(typeURL, name); err != nil {
				return 0, err
			}
			count, err := d.fetch(typeURL, name)
			checked += count
			if err != nil {
				return 0, fmt.Errorf("%s %q: %w", typeURL, name, err)
			}
		}
	}
	return checked, nil
}

// poll takes a response that has come already.
func (d *deltaStream) poll(typeURL string) *discovery.DeltaDiscoveryResponse {
	for {
		select {
		case response := <-d.received:
			if response.GetTypeUrl() == typeURL {
				return response
			}
			d.waiting = append(d.waiting, response)
		default:
			return nil
		}
	}
}

// fetch waits for a name that was subscribed to; what else comes is decoded as well. It gives how many that were.
func (d *deltaStream) fetch(typeURL, name string) (int, error) {
	checked := 0
	for {
		response, err := d.next(typeURL)
		if err != nil {
			return checked, err
		}
		if err := d.ack(response); err != nil {
			return checked, err
		}
		found := isCollection(name)
		for _, resource := range response.GetResources() {
			if _, _, err := decode(resource.GetResource()); err != nil {
				return checked, fmt.Errorf("%q: %w", resource.GetName(), err)
			}
			checked++
			found = found || resource.GetName() == name
		}
		for _, removed := range response.GetRemovedResources() {
			if removed == name {
				return checked, fmt.Errorf("it is referred to and does not exist")
			}
		}
		if found {
			return checked, nil
		}
	}
}

func isCollection(name string) bool {
	return len(name) > 2 && name[len(name)-2:] == "/*"
}

func want(wanted map[string]map[string]bool, typeURL, name string) {
	if wanted[typeURL] == nil {
		wanted[typeURL] = map[string]bool{}
	}
	wanted[typeURL][name] = true
}

// follow notes what a cluster or a listener refers to.
func follow(message proto.Message, wanted map[string]map[string]bool) {
	if c, ok := message.(*cluster.Cluster); ok && c.GetType() == cluster.Cluster_EDS {
		name := c.GetName()
		if service := c.GetEdsClusterConfig().GetServiceName(); service != "" {
			name = service
		}
		want(wanted, endpointType, name)
	}
	if _, ok := message.(*listener.Listener); !ok {
		if _, ok := message.(*cluster.Cluster); !ok {
			return
		}
	}
	visit(message.ProtoReflect(), func(inner proto.Message) {
		switch m := inner.(type) {
		case *hcm.Rds:
			want(wanted, routeType, m.GetRouteConfigName())
		case *hcm.ScopedRds:
			if name := m.GetSrdsResourcesLocator(); name != "" {
				want(wanted, scopedType, name)
			}
		case *tls.SdsSecretConfig:
			want(wanted, secretType, m.GetName())
		}
	})
}

// visit calls back for every message within a message, also in Anys.
func visit(message protoreflect.Message, see func(proto.Message)) {
	see(message.Interface())
	if inner, ok := message.Interface().(*anypb.Any); ok {
		if content, err := inner.UnmarshalNew(); err == nil {
			visit(content.ProtoReflect(), see)
		}
		return
	}
	message.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch {
		case field.IsMap():
			if field.MapValue().Message() != nil {
				value.Map().Range(func(_ protoreflect.MapKey, entry protoreflect.Value) bool {
					visit(entry.Message(), see)
					return true
				})
			}
		case field.Message() == nil:
		case field.IsList():
			for i := range value.List().Len() {
				visit(value.List().Get(i).Message(), see)
			}
		default:
			visit(value.Message(), see)
		}
		return true
	})
}
