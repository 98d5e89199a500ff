"""The names of everything that is written."""

from __future__ import annotations

from dataclasses import dataclass

_DERIVED = ("novelty", "label", "certainty", "scores", "proba", "drift", "importance")


@dataclass(frozen=True)
class Keys:
    """Where one method stores its results, by scanpy's rule for `key_added`.

    Examples
    --------
    >>> Keys.of("ivis", None)
    Keys(obsm='X_ivis', uns='ivis', latent='X_ivis_latent', novelty='ivis_novelty', label='ivis_label',
         certainty='ivis_certainty', scores='ivis_scores', proba='ivis_proba', drift='ivis_drift',
         importance='ivis_importance')
    >>> Keys.of("ivis", "mine").obsm
    'mine'
    """

    obsm: str
    uns: str
    latent: str
    novelty: str
    label: str
    certainty: str
    scores: str
    proba: str
    drift: str
    importance: str

    @classmethod
    def of(cls, method: str, key_added: str | None) -> Keys:
        """The names for `method`, or for the key that the user chose."""
        key = key_added or method
        if "/" in key:
            msg = f"key_added={key!r} holds a '/', which neither h5ad nor zarr can store."
            raise ValueError(msg)
        derived = {name: f"{key}_{name}" for name in _DERIVED}
        obsm = f"X_{method}" if key == method else key
        return cls(obsm=obsm, uns=key, latent=f"{obsm}_latent", **derived)
