"""ComfyUI's door to the STARFlow nodes."""

WEB_DIRECTORY = "./web"


async def comfy_entrypoint():  # noqa: ANN201 — nothing of ComfyUI may be imported before it asks
    from .nodes.core_beside import import_core

    import_core()
    from .nodes.comfy import StarFlowExtension

    return StarFlowExtension()
