internal import System
internal import Catalog
internal import Hooks
internal import Posting
internal import Settings
internal import SnapshotModel

/// Looks for what the settings name and is not there. Nothing of it stops a command that does not
/// need it.
package struct ConfigService {
    let context: ManagerContext

    /// A sentence for each volume and program that is missing, or not to be trusted.
    package func findings() throws -> [String] {
        let settings = try context.settings.get()
        let hooks = settings.hooks.values.sorted { $0.name < $1.name }
        let webhooks = settings.webhooks.values.sorted { $0.name < $1.name }
        var findings = try missingVolumes(settings)
        for hook in hooks { findings += self.findings(of: hook) }
        for webhook in webhooks { findings += try self.findings(of: webhook) }
        return findings
    }

    /// What keeps a webhook's events from being signed, or its receiver from being known.
    private func findings(of webhook: Webhook) throws -> [String] {
        let volumes = Set(try context.catalog.volumes().map(\.record.name))
        var problems = webhook.volumes.filter { !volumes.contains($0) }
            .map { Problem(.notFound, "there is no volume \($0)") }
        do throws(Problem) { _ = try PostSecret.read(webhook.secretPath) } catch {
            problems.append(error)
        }
        do throws(Problem) { try PostSender.requireAuthorities(of: webhook.peer) } catch {
            problems.append(error)
        }
        return problems.map { problem in
            context.wording.text("[webhook.\(webhook.name)]: \(problem.sentence)")
        }
    }

    /// - Throws: `usage` when a set or a VM has a volume's name: what that means is ambiguous wherever it is used.
    package func requireDistinctNames() throws {
        let settings = try context.settings.get()
        let volumes = Set(try context.catalog.volumes().map(\.record.name))
            .union(settings.volumes.keys)
        let doubles = settings.groups.values.filter { volumes.contains($0.name) }
            .sorted { $0.name < $1.name }
        guard !doubles.isEmpty else { return }
        throw Problem(
            .usage,
            doubles.map { "[\($0.table)]: there is a volume \($0.name), too" }
                .joined(separator: "\n"),
            hint: "give one of them another name: what the name means would be ambiguous")
    }

    private func missingVolumes(_ settings: Settings) throws -> [String] {
        let known = Set(try context.catalog.volumes().map(\.record.name))
        let own = settings.volumes.keys.sorted().map { ("[volumes.\($0)]", $0) }
        let ofSets = settings.sets.values.sorted { $0.name < $1.name }
            .flatMap { set in set.volumes.map { ("set \(set.name)", $0) } }
        return (own + ofSets).filter { !known.contains($0.1) }.map { place, volume in
            context.wording.text(
                "\(place): there is no volume \(volume) in \(context.catalog.path); "
                    + "run \(.volumeCreate(volume))")
        }
    }

    private func findings(of hook: Hook) -> [String] {
        let paths = Set(hook.programs.values.compactMap(\.first)).sorted()
        let missing = paths.filter { !Paths.isExecutableFile($0) }.map {
            "[hooks.\(hook.name)]: there is no program \($0) that can be run"
        }
        return missing
            + (HookTrust.ofThisProcess?.problem(of: hook).map { [$0.message] } ?? [])
            + findings(ofPostsOf: hook).map { problem in
                context.wording.text("[hooks.\(hook.name)]: \(problem.sentence)")
            }
    }

    /// What keeps a hook's posts from being signed, or their receivers from being known.
    private func findings(ofPostsOf hook: Hook) -> [Problem] {
        guard let peer = hook.posts.values.first else { return [] }
        var problems: [Problem] = []
        do throws(Problem) { try PostSender.requireAuthorities(of: peer) } catch {
            problems.append(error)
        }
        guard let path = hook.secretPath else { return problems }
        do throws(Problem) { _ = try PostSecret.read(path) } catch { problems.append(error) }
        return problems
    }
}
