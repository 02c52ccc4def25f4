package api

func (s *server) alertingRoutes() {}
