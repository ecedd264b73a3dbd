"""Reads messages of an open page: how many values, and whether they need a session, for the bounds of `core.web`."""

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from streamlit.proto.BackMsg_pb2 import BackMsg

from core.web.middleware.websocket_bounds import PageMessage

# Kinds that the sign-in needs; the others of a page need a session.
SIGNED_OUT_KINDS = frozenset({"rerun_script", "stop_script", "app_heartbeat", "load_git_info"})
SIGNED_IN_KINDS = SIGNED_OUT_KINDS | {"file_urls_request", "backend_operation_request"}
# Streamlit takes another id for a name in its session state, and fails to read that.
WIDGET_ID_PREFIX = "$$"


def read_message(content: bytes) -> PageMessage:
    """Return what a message asks for. Raises ValueError for bytes or kinds that no page of ours sends.

    Among the latter is clearing the caches, which all readers share.
    """
    try:
        message = BackMsg.FromString(content)
    except DecodeError as error:
        raise ValueError("no message of a page") from error
    kind = message.WhichOneof("type")
    if kind not in SIGNED_IN_KINDS:
        raise ValueError("no message of a page")
    widgets = message.rerun_script.widget_states.widgets
    if not all(widget.id.startswith(WIDGET_ID_PREFIX) for widget in widgets):
        raise ValueError("no widget of a page")
    return PageMessage(len(widgets), kind not in SIGNED_OUT_KINDS)
