"""The installed package as contents: from site-packages by its RECORD, else from the checkout."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import ClassVar

from tools.errors import ToolError
from tools.wheel.archive import unsafe_reason
from tools.wheel.contents import Contents
from tools.wheel.policy import Policy


class NothingInstalledError(ToolError):
    """There is no wheel named, no package installed and no binary in the checkout."""

    exit_code: ClassVar[int] = 23


def find_installed(policy: Policy, *, checkout: Path, search_path: Sequence[str]) -> Contents:
    """Return the package that the running interpreter would import.

    An editable install lists no binaries: those of the checkout are judged then, without RECORD.
    """
    distribution = _distribution(policy, search_path)
    if distribution and _lists_binaries(distribution, policy):
        return _from_site(distribution, policy)
    folder = checkout / policy.folder
    binaries = _shared_objects(folder, checkout)
    if not binaries:
        raise NothingInstalledError(
            f"{policy.distribution}: expected it installed for {sys.executable}, or built into "
            f"{folder}; found neither; name a wheel or run `uvx nox -s build_deepgemm`"
        )
    metadata = _metadata(distribution) if distribution else {}
    return Contents(
        subject=str(folder),
        kind="checkout",
        files=metadata | binaries,
        dist_info=next(iter(metadata), "").partition("/")[0] or None,
    )


def _distribution(policy: Policy, search_path: Sequence[str]) -> Distribution | None:
    # A checkout that was built once has an egg-info folder, which is no installation: no RECORD.
    found = distributions(name=policy.distribution, path=list(search_path))
    return next((item for item in found if item.read_text("RECORD") is not None), None)


def _lists_binaries(distribution: Distribution, policy: Policy) -> bool:
    return any(
        str(path).startswith(f"{policy.folder}/") and ".so" in path.suffixes
        for path in distribution.files or ()
    )


def _from_site(distribution: Distribution, policy: Policy) -> Contents:
    root = Path(str(distribution.locate_file("")))
    listed = [str(path) for path in distribution.files or ()]
    files = {
        name: (root / name).read_bytes()
        for name in listed
        if unsafe_reason(name) is None and (root / name).is_file()
    }
    # What lies beside the listed binaries can be imported as well.
    files |= _shared_objects(root / policy.folder, root)
    dist_info = next(n.partition("/")[0] for n in listed if n.endswith(".dist-info/RECORD"))
    return Contents(subject=str(root), kind="installed", files=files, dist_info=dist_info)


def _shared_objects(folder: Path, root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if ".so" in path.suffixes and path.is_file()
    }


def _metadata(distribution: Distribution) -> dict[str, bytes]:
    text = distribution.read_text("METADATA")
    folder = f"{distribution.metadata['Name']}-{distribution.version}.dist-info"
    return {} if text is None else {f"{folder}/METADATA": text.encode()}
