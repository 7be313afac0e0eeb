"""The nodes in a browser: a Gradio page, built from the node declarations, for people, programs and agents.

doors.py         the Gradio app: it checks the files of every call; files.py: opens and copies these files
gate.py          checks every HTTP request; agent_files.py: checks the files in requests of agents
visitors.py      identifies visitors and limits their uploads; folder.py: the demo's own folder, removed at its end
queue.py         the event queue, with few jobs per visitor, in fair turns; turns.py: the order of the turns
accelerator.py   lets one job at a time use the accelerator, on this machine or on ZeroGPU
models.py        the models in memory, shared by all visitors; host.py: the host that the nodes run in
steps.py         runs work in a thread, reports its steps, and ends it when the visitor cancels or leaves
uploads.py       checks uploaded pictures and reads them
errors.py        turns exceptions into messages for people
actions.py       what the pages do, by means of the nodes; drawing.py: draws for several visitors in one batch
work.py          runs nodes, and refuses too much work
handles.py       keeps models and latents of visitors on the server; outside, a handle stands for each; stored.py: files
limits.py        the inputs of the nodes, with the limits of this demo
components.py    Gradio components for inputs and outputs of nodes; documented.py: functions with documented parameters
upload_check.py  checks an uploaded file at once
fields.py        fields that several pages share; status.py: the status line; icons.py: icons of the buttons
pictures.py      encodes pictures for browsers; cards.py: the drawn pictures, with buttons for further actions;
                 gauge.py: how likely they are, in words; likelihood_view.py: the heatmap over a picture
strip.py         the example strip on the first page; tools/save_strip.py makes its files in strip/
insight.py       the page of what only a likelihood can say; insight_match.py, insight_odd.py, insight_confidence.py:
                 its parts; insights.py: what it measures; overlays.py: pictures with maps over them; known.py: the
                 pictures in known/, which tools/save_known.py makes; example_buttons.py: fills them in
create.py, likelihood.py, inversion.py, developers.py with node_panels.py   the pages; create_endpoint.py: `/create`
edit.py          the page of edits: inpainting.py with fills.py, its action, and painter.py, which masks are painted on
address.py       reads the query of the page's address; agents.py: the endpoints as tools (Model Context Protocol)
web/, style.css  the scripts and the styles of the pages
site.py          builds all pages and serves them
graph.py         example graphs as a `gr.Workflow`: `python -m demo.graph`; graph_format.py: converts ComfyUI's format
"""
