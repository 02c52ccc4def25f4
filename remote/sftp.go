package remote

type sftpSession struct{}
