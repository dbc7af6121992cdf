"""What lies between agent and server: it passes bytes on, until it is told to
lose, to cut or to dribble them. It understands none of them."""

import socket
import threading
import time

TCP_REPAIR = 19


class Relay:
    """Stands before a server on loopback; a context manager."""

    def __init__(self, port: int) -> None:
        self.server = port
        self.cut_after: int | None = None  # bytes of the server, each connection
        self.dribble: float | None = None  # seconds between bytes of the server
        self.keeps: dict[int, int] = {}  # see keep_last
        self.accepted = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.sockets: list[socket.socket] = []
        self.lost: set[int] = set()  # connections on which nothing passes

    def __enter__(self) -> "Relay":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.close()
        for sock in list(self.sockets):
            close(sock)

    def keep_last(self, peer: int, count: int) -> None:
        """So many bytes at the end of what the server says do not arrive, on
        the connection on which it sees this port; then that is closed."""
        self.keeps[peer] = count

    def lose(self) -> None:
        """All that is connected now stays so, and hears nothing any more."""
        self.lost |= set(range(1, self.accepted + 1))

    def vanish(self) -> None:
        """The far end of all that is connected was switched off and on again:
        no word of goodbye, and nobody who knows the connection."""
        for sock in self.sockets[::2]:
            sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
        self.lose()
        for sock in self.sockets[::2]:
            sock.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            self.accepted += 1
            try:
                far = socket.create_connection(("127.0.0.1", self.server), 5)
            except OSError:
                close(near)
                continue
            self.sockets += [near, far]
            number = self.accepted
            threading.Thread(target=self._up, args=(near, far, number), daemon=True).start()
            threading.Thread(target=self._down, args=(far, near, number), daemon=True).start()

    def _up(self, near: socket.socket, far: socket.socket, number: int) -> None:
        try:
            while data := near.recv(65536):
                if number not in self.lost:
                    far.sendall(data)
        except OSError:
            pass
        if number not in self.lost:
            close(far)

    def _down(self, far: socket.socket, near: socket.socket, number: int) -> None:
        sent, kept = 0, b""
        try:
            peer = far.getsockname()[1]
            while data := far.recv(65536):
                if (keep := self.keeps.get(peer, 0)) > 0:
                    data = kept + data
                    kept = data[-keep:]
                    data = data[:-keep]
                if number in self.lost:
                    continue
                if self.cut_after is not None and sent + len(data) > self.cut_after:
                    near.sendall(data[: self.cut_after - sent])
                    close(far)
                    break
                if self.dribble is None:
                    near.sendall(data)
                else:
                    self._dribble(near, data)
                sent += len(data)
        except OSError:
            pass
        if number not in self.lost:
            close(near)

    def _dribble(self, near: socket.socket, data: bytes) -> None:
        for byte in data:
            near.sendall(bytes([byte]))
            time.sleep(self.dribble or 0)


def close(sock: socket.socket) -> None:
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    sock.close()
