package pair

import (
	"slices"
	"strings"

	"google.golang.org/grpc/reflection/grpc_reflection_v1"

	"github.com/stateful-serverless/cloudstate/tck/suite"
)

func servingCases() []suite.Case {
	return []suite.Case{
		pairCase("serv/pair/reflection", "reflection lists exactly the services that the user function declares, sorted", nil, []string{"SERV-24", "DISC-36"}, func(s *scene) {
			want := []string{}
			for _, e := range s.t.Frontend().Spec.GetEntities() {
				want = append(want, e.GetServiceName())
			}
			slices.Sort(want)
			const reflection = "grpc.reflection.v1alpha.ServerReflection"
			want = append([]string{reflection}, want...)
			stream, err := s.t.Client().Stream(s.ctx, "/"+reflection+"/ServerReflectionInfo", nil)
			s.t.Check(err, suite.Failure{})
			request := &grpc_reflection_v1.ServerReflectionRequest{MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_ListServices{}}
			if err := stream.Send(request); err != nil {
				s.t.KitFault(err)
			}
			response := &grpc_reflection_v1.ServerReflectionResponse{}
			s.t.Check(stream.Recv(response), suite.Failure{})
			var got []string
			for _, service := range response.GetListServicesResponse().GetService() {
				got = append(got, service.GetName())
			}
			s.t.Require(slices.Equal(got, want), suite.Failure{Expected: strings.Join(want, ", "), Got: strings.Join(got, ", ")})
		}),
	}
}
