import Manager
import SnapshotModel
import Testing

@testable import Web

@Suite struct WebAddressTests {
    private func problem(
        _ text: String, group: String? = nil, role: String? = nil
    ) -> Problem? {
        do throws(Problem) {
            _ = try WebAddress(text, state: "/state", group: group, role: role)
            return nil
        } catch {
            return error
        }
    }

    @Test("a socket is where it is named, or in the state folder")
    func places() throws {
        #expect(try WebAddress("unix", state: "/state").path == "/state/http.sock")
        let named = try WebAddress("unix:/run/snapmgr/api", state: "/state")
        #expect(named.folder == "/run/snapmgr" && named.name == "api" && named.group == nil)
        #expect(try WebAddress("unix:/api", state: "/state").folder == "/")
    }

    @Test(
        "what is no address is refused",
        arguments: [
            "", "unix:", "unix:api", "unix:/run/", "unix:/run/..", "unix:/", "tcp:127.0.0.1:80",
            "127.0.0.1:80", "/run/api",
        ])
    func flaws(text: String) {
        #expect(problem(text)?.code == .usage)
    }

    @Test("a group may read, unless more is said")
    func groups() throws {
        let plain = try WebAddress("unix", state: "/state", group: "0")
        #expect(plain.group == WebAddress.Group(number: 0, role: .read))
        let more = try WebAddress("unix", state: "/state", group: "root", role: "operate")
        #expect(more.group == WebAddress.Group(number: 0, role: .operate))
        #expect(problem("unix", group: "no-such-group-here")?.code == .usage)
        #expect(problem("unix", group: "0", role: "admin")?.code == .usage)
        #expect(problem("unix", role: "read")?.code == .usage)
    }

    @Test("who connects has the role that his user or the socket's group gives him")
    func clients() {
        let group = WebAddress.Group(number: 7, role: .snapshot)
        #expect(WebClient(user: 0, own: 5, group: nil).role == .revert)
        #expect(WebClient(user: 5, own: 5, group: nil).role == .revert)
        #expect(WebClient(user: 6, own: 5, group: group).role == .snapshot)
        #expect(WebClient(user: 6, own: 5, group: nil).role == nil)
        #expect(WebClient(user: 6, own: 5, group: group).requester.face == .web)
    }
}
